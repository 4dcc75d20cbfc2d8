// The emulator as a child process, and its admin API over a plain socket, as three requests need no HTTP library.

#include "emulator.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

/// The value of a name in one flat JSON object, without quotes; empty for null.
std::string member(const std::string& json, const std::string& name) {
    const auto found = json.find("\"" + name + "\":");
    if (found == std::string::npos)
        throw std::runtime_error("the emulator printed no " + name + ": " + json);
    auto start = found + name.size() + 3;
    if (json[start] != '"')
        return json.compare(start, 4, "null") == 0 ? "" : json.substr(start, json.find_first_of(",}", start) - start);
    return json.substr(start + 1, json.find('"', start + 1) - start - 1);
}

std::string line_from(int descriptor) {
    std::string line;
    for (char byte = 0; read(descriptor, &byte, 1) == 1 && byte != '\n';)
        line += byte;
    return line;
}

/// Removes the settings of the user who runs the tests: those of the environment, and a settings file.
void remove_settings() {
    std::vector<std::string> names;
    for (char** variable = environ; *variable; ++variable) {
        const std::string name(*variable, std::strcspn(*variable, "="));
        if (name.compare(0, 6, "IMTAG_") == 0 && name != "IMTAG_BIN")
            names.push_back(name);
    }
    for (const std::string& name : names)
        unsetenv(name.c_str());
    setenv("HOME", "/nonexistent", 1);
    unsetenv("XDG_CONFIG_HOME");
}

[[noreturn]] void become_emulator(pid_t parent, const char* program, const char* option) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)  // the parent has ended already
        _exit(1);
    execl(program, program, "emulator", "--json", option, static_cast<char*>(nullptr));
    _exit(127);
}

}  // namespace

emulator::emulator(const char* option) {
    const char* program = std::getenv("IMTAG_BIN");
    int lines[2];
    if (!program || pipe(lines) != 0)
        throw std::runtime_error("set IMTAG_BIN to the command line imtag");
    remove_settings();
    const pid_t parent = getpid();
    process_ = fork();
    if (process_ == 0) {
        dup2(lines[1], STDOUT_FILENO);
        close(lines[0]);
        close(lines[1]);
        become_emulator(parent, program, option);
    }
    close(lines[1]);
    const std::string line = line_from(lines[0]);
    close(lines[0]);
    endpoint = member(line, "endpoint");
    identifier = member(line, "identifier");
    key_file = member(line, "secret_key_file");
    ca_file = member(line, "ca_file");
    sdkappid = static_cast<std::uint32_t>(std::stoul(member(line, "sdkappid")));
    port_ = static_cast<std::uint16_t>(std::stoul(endpoint.substr(endpoint.rfind(':') + 1)));
    std::ifstream file(key_file);
    std::getline(file, key);
}

emulator::~emulator() {
    kill(process_, SIGTERM);
    waitpid(process_, nullptr, 0);
}

imtag::config emulator::config() const {
    return imtag::config{}.app(sdkappid, identifier).secret_key(key).endpoint(endpoint);
}

std::string emulator::usersig() const {
    const std::string command = "'" + std::string(std::getenv("IMTAG_BIN")) + "' usersig --sdkappid " +
                                std::to_string(sdkappid) + " --identifier " + identifier + " --secret-key-file '" +
                                key_file + "'";
    FILE* output = popen(command.c_str(), "r");
    const std::string line = output ? line_from(fileno(output)) : "";
    if (!output || pclose(output) != 0)
        throw std::runtime_error("cannot make a UserSig");
    return line;
}

void emulator::fault(const std::string& route, const std::string& faults) const {
    ask("POST", "/emulator/faults", R"({"route": ")" + route + R"(", "faults": [)" + faults + "]}");
}

std::string emulator::user(const std::string& account) const { return ask("GET", "/emulator/users/" + account); }

std::string emulator::requests() const { return ask("GET", "/emulator/requests"); }

void emulator::reset() const { ask("POST", "/emulator/reset"); }

std::string emulator::ask(const std::string& method, const std::string& path, const std::string& body) const {
    const std::string request = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
                                "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        send(to, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
        throw std::runtime_error("cannot ask the emulator");
    std::string answer;
    char part[4096];
    for (ssize_t came; (came = read(to, part, sizeof part)) > 0;)
        answer.append(part, static_cast<std::size_t>(came));
    close(to);
    if (answer.compare(0, 11, "HTTP/1.1 20") != 0)
        throw std::runtime_error("the emulator answered " + answer);
    return answer.substr(answer.find("\r\n\r\n") + 4);
}

emulator& shared_emulator() {
    static emulator shared;
    return shared;
}

emulator& fresh() {
    shared_emulator().reset();
    return shared_emulator();
}
