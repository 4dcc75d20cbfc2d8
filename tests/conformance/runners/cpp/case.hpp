// What a case has, in the binding's own types.

#ifndef CASE_HPP
#define CASE_HPP

#include <imtag.hpp>
#include <nlohmann/json.hpp>

/// A text of a case: a string, or any bytes in hex.
std::string text(const nlohmann::json& value);
std::vector<std::string> texts(const nlohmann::json& values);
std::vector<imtag::user_tags> users(const nlohmann::json& values);
imtag::change change(const nlohmann::json& value);

imtag::config config(const nlohmann::json& settings);

/// Options that bulk runs and batchers both have.
template <class Options>
Options session_options(const nlohmann::json& options) {
    Options made;
    for (const auto& [name, value] : options.items()) {
        if (name == "timeout_ms")
            made.timeout(std::chrono::milliseconds(value));
        else if (name == "attempt_timeout_ms")
            made.attempt_timeout(std::chrono::milliseconds(value));
        else if (name == "late_window_ms")
            made.late_window(std::chrono::milliseconds(value));
        else if (name == "linger_ms")
            made.linger(std::chrono::milliseconds(value));
        else if (name == "capacity")
            made.capacity(value);
        else if (name != "when_full")
            throw std::runtime_error("an option that this runner does not know: " + name);
    }
    return made;
}

#endif
