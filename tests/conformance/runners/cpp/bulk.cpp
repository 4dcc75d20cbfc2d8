// A bulk run over the input of a case, which is a range that is walked through once.

#include "runner.hpp"
#include "within.hpp"

#include <map>

using nlohmann::json;

namespace {

/// The changes of an input. What stands between them is done when the next one is asked for.
class input {
public:
    input(const json& items, const imtag::cancel_token& token) : items_(items), token_(token) {}

    struct end_mark {};
    class iterator {
    public:
        iterator(const input& of, json::const_iterator at) : of_(&of), at_(at) { go_to_change(); }
        imtag::change operator*() const { return change(*at_); }
        iterator& operator++() {
            ++at_;
            go_to_change();
            return *this;
        }
        bool operator!=(end_mark) const { return at_ != of_->items_.end(); }

    private:
        void go_to_change() {
            for (; at_ != of_->items_.end() && !at_->contains("operation"); ++at_) {
                if (at_->contains("await_arrivals"))
                    await_arrivals((*at_)["await_arrivals"]);
                else if (at_->contains("cancel"))
                    of_->token_.cancel();
            }
        }

        const input* of_;
        json::const_iterator at_;
    };
    iterator begin() const { return {*this, items_.begin()}; }
    end_mark end() const { return {}; }

private:
    const json& items_;
    const imtag::cancel_token& token_;
};

json counts(const imtag::summary& summary, std::uint64_t settled) {
    return {{"taken", summary.taken},
            {"done", summary.done},
            {"failed", summary.failed},
            {"not_taken", settled - summary.taken},
            {"requests", summary.requests},
            {"attempts", summary.attempts},
            {"attempts_sent", summary.attempts_sent},
            {"splits", summary.splits},
            {"timpush_would_save", summary.timpush_would_save}};
}

}  // namespace

json play_bulk(const imtag::client& client, const json& bulk, const show_stats& show) {
    const imtag::cancel_token token;
    const imtag::bulk_watch watch;
    auto options = session_options<imtag::bulk_options>(bulk.at("options")).cancel(token).watch(watch);
    if (bulk.contains("cancel_at_progress"))
        options.progress([left = bulk["cancel_at_progress"].get<int>()](const imtag::progress&) mutable {
            return --left == 0;
        });

    std::uint64_t settled = 0;
    std::map<std::uint64_t, json> failures;
    const auto on_outcome = [&](const imtag::outcome& outcome) {
        ++settled;
        if (!outcome)
            failures[outcome.index] = failure_of(*outcome.error);
    };
    const auto run = [&]() -> json {
        try {
            const imtag::summary summary = client.bulk(input(bulk.at("input"), token), on_outcome, options);
            return {{"status", summary.failed ? "partial" : "ok"}, {"summary", counts(summary, settled)}};
        } catch (const imtag::error& error) {
            if (!error.summary())
                throw;
            json ended = outcome_of_exception();
            ended["summary"] = counts(*error.summary(), settled);
            return ended;
        }
    };
    json outcome;
    if (bulk.contains("cancel_after_arrivals")) {
        const at_arrivals canceller(bulk["cancel_after_arrivals"], [&token] { token.cancel(); });
        outcome = run();
    } else {
        outcome = run();
    }
    show(watch.stats());
    outcome["settled"] = settled;
    outcome["failures"] = with_position("index", failures);
    return outcome;
}
