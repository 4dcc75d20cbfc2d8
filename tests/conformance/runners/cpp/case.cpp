// What a case has, in the binding's own types.

#include "runner.hpp"

#include <string>

using nlohmann::json;
using std::chrono::milliseconds;

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

imtag::change change(const json& value) {
    const std::string operation = value.at("operation");
    if (operation == "add")
        return imtag::change::add(text(value.at("account")), texts(value.at("tags")));
    if (operation == "remove")
        return imtag::change::remove(text(value.at("account")), texts(value.at("tags")));
    if (operation == "replace")
        return imtag::change::replace(text(value.at("account")), texts(value.at("tags")));
    if (operation == "clear")
        return imtag::change::clear(text(value.at("account")));
    throw std::runtime_error("an operation that this runner does not know: " + operation);
}

namespace {

void set_callback(imtag::config& config, const json& answer) {
    config.credential_callback([answer, asked = 0]() mutable {
        if (answer.contains("refuse") && (asked++ > 0 || !answer.contains("usersig")))
            throw std::runtime_error(text(answer["refuse"]));
        return imtag::credential(text(answer.at("usersig")), milliseconds(answer.value("valid_for_ms", 0)));
    });
}

}  // namespace

imtag::config config(const json& settings) {
    auto made = settings.contains("from_env") ? imtag::config::from_env(text(settings["from_env"])) : imtag::config();
    made.app(settings.value("sdkappid", 0u), text(settings.value("identifier", json(""))));
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
        else if (name == "spare_endpoint")
            made.spare_endpoint(text(value));
        else if (name == "proxy")
            made.proxy(text(value));
        else if (name == "roots")
            made.roots(text(value));
        else if (name == "generation")
            made.generation(text(value));
        else if (name == "calls_per_second")
            made.calls_per_second(value.is_string() ? std::stod(value.get<std::string>()) : value.get<double>());
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
        else if (name != "from_env" && name != "sdkappid" && name != "identifier")
            throw std::runtime_error("a setting that this runner does not know: " + name);
    }
    return made;
}
