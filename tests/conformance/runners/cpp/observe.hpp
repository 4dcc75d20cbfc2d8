// The figures and records of a case that is observed, from its making to its end.

#ifndef OBSERVE_HPP
#define OBSERVE_HPP

#include <imtag.hpp>
#include <nlohmann/json.hpp>

class observed {
public:
    observed();
    observed(const observed&) = delete;
    observed& operator=(const observed&) = delete;

    /// Keeps the figures of a client, a bulk run or a batcher.
    void add(const imtag::stats& stats);

    /// Puts all of it into the outcome, once the last record has come.
    void end(nlohmann::json& outcome);

private:
    nlohmann::json figures_ = nlohmann::json::object(), events_ = nlohmann::json::array();
    imtag::log log_;
};

#endif
