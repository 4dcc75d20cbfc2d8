// The lines that a runner reads and writes, and what it asks the harness while it plays a case.

#ifndef LINES_HPP
#define LINES_HPP

#include <nlohmann/json.hpp>

#include <iostream>
#include <mutex>

inline void write_line(const nlohmann::json& line) { std::cout << line.dump() << std::endl; }

/// Waits until the server has so many requests. From any thread.
inline void await_arrivals(const nlohmann::json& count) {
    static std::mutex asking;  // the line that comes is the answer to the one that went
    const std::lock_guard<std::mutex> lock(asking);
    write_line({{"await_arrivals", count}});
    std::string line;
    std::getline(std::cin, line);
}

#endif
