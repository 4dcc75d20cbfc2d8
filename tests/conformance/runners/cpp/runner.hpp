// What the files of the runner share: what a case has in the binding's own types, outcomes as the conformance tests
// compare them, and the lines that are read and written.

#ifndef RUNNER_HPP
#define RUNNER_HPP

#include <imtag.hpp>
#include <nlohmann/json.hpp>

#include <functional>
#include <iostream>
#include <map>
#include <mutex>

/// What a case says, done through the binding: each is the outcome, or throws why nothing could be made.
/// The figures at its end go to `show`.
using show_stats = std::function<void(const imtag::stats&)>;
nlohmann::json play_bulk(const imtag::client& client, const nlohmann::json& bulk, const show_stats& show);
nlohmann::json play_batcher(const imtag::client& client, const nlohmann::json& batcher, const show_stats& show);

/// Of a call that was done.
nlohmann::json outcome_of(const imtag::result& done);

/// Of the exception that is being handled; any but the library's goes on.
nlohmann::json outcome_of_exception();

/// Why a change or a step failed, without its position; of the exception that is being handled, by its class.
nlohmann::json failure_of(const imtag::error& error);
nlohmann::json failure_of_exception();

/// Failures as a list, with the position of each under this name.
nlohmann::json with_position(const char* name, const std::map<std::uint64_t, nlohmann::json>& failures);

inline void write_line(const nlohmann::json& line) { std::cout << line.dump() << std::endl; }

/// Waits until the server has so many requests. From any thread.
inline void await_arrivals(const nlohmann::json& count) {
    static std::mutex asking;  // the line that comes is the answer to the one that went
    const std::lock_guard<std::mutex> lock(asking);
    write_line({{"await_arrivals", count}});
    std::string line;
    std::getline(std::cin, line);
}

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
