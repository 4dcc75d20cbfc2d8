// The conformance runner for C++: a case a line on standard input, its outcome a line on standard output. It makes the
// client and the call that a case describes, through imtag.hpp alone, and compares nothing.

#include "outcome.hpp"

#include <chrono>
#include <condition_variable>
#include <iostream>
#include <mutex>
#include <thread>

using nlohmann::json;
using std::chrono::milliseconds;

namespace {

/// A text of a case: a string, or any bytes in hex.
std::string text(const json& value) {
    if (value.is_string())
        return value.get<std::string>();
    const std::string hex = value.at("hex");
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

std::vector<std::string> texts(const json& values) {
    std::vector<std::string> all;
    for (const json& value : values)
        all.push_back(text(value));
    return all;
}

std::vector<imtag::user_tags> users(const json& values) {
    std::vector<imtag::user_tags> all;
    for (const json& value : values)
        all.push_back({text(value.at("account")), texts(value.at("tags"))});
    return all;
}

void set_callback(imtag::config& config, const json& answer) {
    config.credential_callback([answer, asked = 0]() mutable {
        if (answer.contains("refuse") && (asked++ > 0 || !answer.contains("usersig")))
            throw std::runtime_error(text(answer["refuse"]));
        return imtag::credential(text(answer.at("usersig")), milliseconds(answer.value("valid_for_ms", 0)));
    });
}

imtag::config config(const json& settings) {
    imtag::config made;
    if (settings.contains("sdkappid"))
        made.app(settings["sdkappid"], text(settings.value("identifier", json(""))));
    for (const auto& [name, value] : settings.items()) {
        if (name == "secret_key")
            made.secret_key(text(value));
        else if (name == "usersig")
            made.usersig(text(value));
        else if (name == "credential_callback")
            set_callback(made, value);
        else if (name == "region")
            made.region(text(value));
        else if (name == "endpoint")
            made.endpoint(text(value));
        else if (name == "generation")
            made.generation(text(value));
        else if (name == "calls_per_second")
            made.calls_per_second(value);
        else if (name == "fresh_start")
            made.fresh_start(value);
        else if (name == "timeout_ms")
            made.timeout(milliseconds(value));
        else if (name == "connect_timeout_ms")
            made.connect_timeout(milliseconds(value));
        else if (name == "max_attempts")
            made.max_attempts(value);
        else if (name == "ca_file")
            made.ca_file(text(value));
        else if (name == "limits")
            for (const auto& [limit, number] : value.items())
                made.limit(limit, number);
        else if (name != "sdkappid" && name != "identifier")
            throw std::runtime_error("a setting that this runner does not know: " + name);
    }
    return made;
}

imtag::call options(const json& call) {
    imtag::call made;
    if (call.contains("timeout_ms"))
        made.timeout(milliseconds(call["timeout_ms"]));
    if (call.contains("attempt_timeout_ms"))
        made.attempt_timeout(milliseconds(call["attempt_timeout_ms"]));
    return made;
}

/// Cancels a call from another thread after a time, unless it is destroyed before.
class canceller {
public:
    canceller(const imtag::call& call, milliseconds after) : thread_([this, &call, after] {
        std::unique_lock<std::mutex> lock(mutex_);
        if (!over_.wait_for(lock, after, [this] { return is_over_; }))
            call.cancel();
    }) {}
    ~canceller() {
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            is_over_ = true;
        }
        over_.notify_one();
        thread_.join();
    }
    canceller(const canceller&) = delete;
    canceller& operator=(const canceller&) = delete;

private:
    std::mutex mutex_;
    std::condition_variable over_;
    bool is_over_ = false;
    std::thread thread_;
};

imtag::result make(const imtag::client& client, const json& call, const imtag::call& how) {
    const std::string operation = call.at("operation");
    if (operation == "add")
        return client.add_tag(users(call.at("users")), how);
    if (operation == "remove")
        return client.remove_tag(users(call.at("users")), how);
    if (operation == "replace")
        return client.replace_tags(users(call.at("users")), how);
    if (operation == "get")
        return client.get_tag(texts(call.at("accounts")), how);
    if (operation == "clear")
        return client.clear_tags(texts(call.at("accounts")), how);
    throw std::runtime_error("an operation that this runner does not know: " + operation);
}

json run(const json& scenario) {
    const json& call = scenario.at("call");
    try {
        const imtag::client client{config(scenario.at("settings"))};
        const imtag::call how = options(call);
        if (!call.contains("cancel_after_ms"))
            return outcome_of(make(client, call, how));
        const milliseconds after(call["cancel_after_ms"]);
        if (after.count() == 0) {
            how.cancel();
            return outcome_of(make(client, call, how));
        }
        const canceller later(how, after);
        return outcome_of(make(client, call, how));
    } catch (const imtag::error&) {
        return outcome_of_exception();
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);)
        std::cout << run(json::parse(line)).dump() << std::endl;
}
