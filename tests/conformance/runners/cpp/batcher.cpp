// The life of a batcher: its steps on one thread. What is submitted has a future of the batcher, what is waited for
// one of a thread of its own.

#include "runner.hpp"
#include "within.hpp"

#include <future>
#include <map>
#include <sys/wait.h>
#include <unistd.h>

using nlohmann::json;

namespace {

void make_change(const imtag::batcher& batcher, const imtag::change& given, const imtag::call& how) {
    switch (given.operation()) {
        case imtag::operation::add: return batcher.add_tag(given.account(), given.tags(), how);
        case imtag::operation::remove: return batcher.remove_tag(given.account(), given.tags(), how);
        case imtag::operation::replace: return batcher.replace_tags(given.account(), given.tags(), how);
        case imtag::operation::clear: return batcher.clear_tags(given.account(), how);
    }
}

/// What a child that is forked meets when it submits a change: its failure, empty where there is none.
std::string submit_in_child(const imtag::batcher& batcher, const json& given) {
    int ends[2];
    if (pipe(ends) != 0)
        throw std::runtime_error("no pipe");
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);  // a child that hangs is not to stay
        std::string failure;
        try {
            static_cast<void>(batcher.submit(change(given)));
        } catch (const imtag::error& error) {
            failure = failure_of(error).dump();
        }
        const bool whole = write(ends[1], failure.data(), failure.size()) == static_cast<ssize_t>(failure.size());
        _exit(whole ? 0 : 1);
    }
    close(ends[1]);
    std::string failure;
    char part[4096];
    for (ssize_t got; (got = read(ends[0], part, sizeof part)) > 0;)
        failure.append(part, static_cast<std::size_t>(got));
    close(ends[0]);
    waitpid(child, nullptr, 0);
    return failure;
}

class player {
public:
    explicit player(const imtag::batcher& batcher) : batcher_(batcher) {}

    void take_step(std::size_t step, const json& of) {
        if (of.contains("submit"))
            end(step, [&] { open_.emplace_back(step, batcher_.submit(change(of["submit"]))); }, 0);
        else if (of.contains("call"))
            open_.emplace_back(step, std::async(std::launch::async, [this, &of] {
                                   const imtag::change given = change(of["call"]);
                                   within(of, [&](const auto& how) { make_change(batcher_, given, how); });
                               }));
        else if (of.contains("flush"))
            end(step, [&] { within(of, [&](const auto& how) { batcher_.flush(how); }); });
        else if (of.contains("close"))
            end(step, [&] { within(of, [&](const auto& how) { batcher_.close(how); }); });
        else if (of.contains("join"))
            join();
        else if (of.contains("await_arrivals"))
            await_arrivals(of["await_arrivals"]);
        else if (of.contains("await_unsettled"))
            while (batcher_.unsettled() != of["await_unsettled"])
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
        else if (of.contains("fork"))
            fork_and_submit(step, of["fork"]);
        else
            throw std::runtime_error("a step that this runner does not know: " + of.dump());
    }

    json outcome() {
        batcher_.close();
        join();
        return {{"status", "ok"}, {"done", done_}, {"failures", with_position("step", failures_)}};
    }

private:
    /// Ends a step well or not, as `act` does. A change that is only taken by it is done later.
    template <class Act>
    void end(std::size_t step, Act act, std::size_t done = 1) {
        try {
            act();
            done_ += done;
        } catch (const imtag::error&) {
            failures_[step] = failure_of_exception();
        }
    }

    void join() {
        for (auto& [step, future] : open_)
            end(step, [&future = future] { future.get(); });
        open_.clear();
    }

    void fork_and_submit(std::size_t step, const json& given) {
        const std::string failure = submit_in_child(batcher_, given);
        if (failure.empty())
            ++done_;
        else
            failures_[step] = json::parse(failure);
    }

    const imtag::batcher& batcher_;
    std::vector<std::pair<std::size_t, std::future<void>>> open_;
    std::size_t done_ = 0;
    std::map<std::uint64_t, json> failures_;
};

}  // namespace

json play_batcher(const imtag::client& client, const json& batcher, const show_stats& show) {
    auto options = session_options<imtag::batcher_options>(batcher.at("options"));
    if (batcher["options"].contains("when_full"))
        options.when_full(batcher["options"]["when_full"] == "fail" ? imtag::when_full::fail : imtag::when_full::wait);
    const imtag::batcher made{client, options};
    player steps(made);
    std::size_t step = 0;
    for (const json& of : batcher.at("steps"))
        steps.take_step(step++, of);
    json outcome = steps.outcome();
    show(made.stats());
    return outcome;
}
