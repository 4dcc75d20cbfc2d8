// A bulk run makes every change of a range, delivers the outcome of each, and ends in order after any exception.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <map>
#include <thread>

using namespace std::chrono_literals;
using imtag::change;

namespace {

/// Makes its changes as it is iterated, once; moved, not copied, as a generator is.
template <class Make>
class made_once {
public:
    explicit made_once(Make make, std::size_t size = SIZE_MAX) : make_(std::move(make)), size_(size) {}
    made_once(made_once&&) = default;

    struct end_mark {};
    struct iterator {
        made_once* of;
        change operator*() const { return of->make_(of->at_); }
        iterator& operator++() {
            ++of->at_;
            return *this;
        }
        bool operator!=(end_mark) const { return of->at_ < of->size_; }
    };
    iterator begin() { return {this}; }
    end_mark end() const { return {}; }

private:
    Make make_;
    std::size_t size_, at_ = 0;
};

change tagged(std::size_t number) { return change::add("user" + std::to_string(number), {"a"}); }

/// The outcomes by index: the message of a change that failed, empty for one that is done.
using outcomes = std::map<std::uint64_t, std::string>;

auto note_in(outcomes& seen) {
    return [&seen](const imtag::outcome& outcome) {
        EXPECT_TRUE(seen.emplace(outcome.index, outcome ? "" : outcome.error->what()).second) << "two outcomes";
    };
}

const auto ignore = [](const imtag::outcome&) {};

/// The exception of a class that `act` throws, by a copy of it.
template <class Error, class Act>
Error thrown(Act act) {
    try {
        act();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("nothing was thrown");
}

TEST(bulk, every_change_of_a_range_is_made_and_has_an_outcome) {
    auto& service = fresh();
    std::vector<change> changes;
    for (std::size_t i = 0; i < 250; ++i)
        changes.push_back(tagged(i));
    changes.push_back(change::add("alice", std::vector<std::string>{"a", "b", "c"}));
    changes.push_back(change::remove("alice", {"b"}));
    changes.push_back(change::clear("user7"));
    outcomes seen;
    const imtag::summary summary = service.client().bulk(changes, note_in(seen));
    EXPECT_EQ(seen.size(), 253u);
    for (const auto& [index, failure] : seen)
        EXPECT_EQ(failure, "") << index;
    EXPECT_EQ(summary.taken, 253u);
    EXPECT_EQ(summary.done, 253u);
    EXPECT_EQ(summary.failed, 0u);
    EXPECT_GE(summary.requests, 5u);
    EXPECT_EQ(summary.attempts, summary.attempts_sent);
    EXPECT_NE(service.user("user249").find(R"(["a"])"), std::string::npos);
    EXPECT_NE(service.user("alice").find(R"(["a","c"])"), std::string::npos);
    EXPECT_NE(service.user("user7").find("[]"), std::string::npos);
}

TEST(bulk, changes_may_be_made_as_the_range_is_iterated_once) {
    auto& service = fresh();
    std::size_t made = 0;
    auto make = [&made, owned = std::make_unique<int>()](std::size_t number) { return ++made, tagged(number); };
    EXPECT_EQ(service.client().bulk(made_once(std::move(make), 120), ignore).done, 120u);
    EXPECT_EQ(made, 120u);
    EXPECT_NE(service.user("user119").find(R"(["a"])"), std::string::npos);
}

TEST(bulk, an_empty_range_sends_nothing) {
    const imtag::summary summary = fresh().client().bulk(std::vector<change>(), ignore);
    EXPECT_EQ(summary.taken, 0u);
    EXPECT_EQ(summary.attempts, 0u);
}

TEST(bulk, a_change_that_fails_has_its_account_code_remedy_and_tags) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "leave_out", "accounts": ["bob"], "code": 70107, "text": "no bob"})");
    const std::vector<change> changes{change::add("alice", {"a"}), change::add("bob", {"a", "b"})};
    std::vector<imtag::error> kept;
    const imtag::summary summary = service.client().bulk(changes, [&](const imtag::outcome& outcome) {
        if (outcome)
            return;
        EXPECT_EQ(outcome.index, 1u);
        kept.push_back(*outcome.error);
    });
    EXPECT_EQ(summary.done, 1u);
    EXPECT_EQ(summary.failed, 1u);
    ASSERT_EQ(kept.size(), 1u);
    const imtag::error& error = kept[0];
    EXPECT_EQ(error.status(), imtag::status::service);
    EXPECT_EQ(error.code(), 70107);
    EXPECT_EQ(error.text(), "no bob");
    EXPECT_EQ(error.remedy(), imtag::explain(70107).remedy);
    EXPECT_EQ(error.effect(), imtag::effect::not_applied);
    EXPECT_FALSE(error.retryable());
    ASSERT_EQ(error.failures().size(), 1u);
    EXPECT_EQ(error.failures()[0].account, "bob");
    EXPECT_EQ(error.undone(), (std::vector<std::string_view>{"a", "b"}));
    EXPECT_EQ(error.summary(), nullptr);
}

TEST(bulk, a_change_that_breaks_limits_has_its_outcome_like_any_other) {
    auto& service = fresh();
    const std::vector<change> changes{change::add("alice", {"a"}), change::add("", {std::string(51, 'x')}),
                                      change::remove("al\xff", {"a"}), change::add("bob", std::vector<const char*>())};
    outcomes seen;
    const imtag::summary summary = service.client().bulk(changes, note_in(seen));
    EXPECT_EQ(summary.done, 1u);
    EXPECT_EQ(summary.failed, 3u);
    EXPECT_EQ(seen[0], "");
    EXPECT_NE(seen[1].find("51 bytes, at most 50"), std::string::npos) << seen[1];
    EXPECT_NE(seen[2].find("not UTF-8 from byte 2 on"), std::string::npos) << seen[2];
    EXPECT_NE(seen[3], "");
}

TEST(bulk, an_exception_of_the_range_is_rethrown_once_requests_under_way_complete) {
    auto& service = fresh();
    auto make = [](std::size_t number) {
        return number < 150 ? tagged(number) : throw std::runtime_error("the file is damaged");
    };
    outcomes seen;
    const auto error = thrown<std::runtime_error>(
        [&] { static_cast<void>(service.client().bulk(made_once(make), note_in(seen))); });
    EXPECT_STREQ(error.what(), "the file is damaged");
    EXPECT_EQ(seen.size(), 150u);
    for (const auto& [index, failure] : seen) {
        const bool is_tagged = service.user("user" + std::to_string(index)).find(R"(["a"])") != std::string::npos;
        EXPECT_EQ(is_tagged, failure.empty()) << index << " " << failure;
    }
}

TEST(bulk, an_exception_of_the_outcome_function_ends_its_calls_and_is_rethrown) {
    auto& service = fresh();
    std::size_t seen = 0;
    const auto run = [&] {
        return service.client().bulk(made_once(tagged, 5000), [&](const imtag::outcome&) {
            if (++seen == 3)
                throw 7;
        });
    };
    EXPECT_EQ(thrown<int>(run), 7);
    EXPECT_EQ(seen, 3u);
}

TEST(bulk, an_endless_range_is_iterated_as_there_is_capacity_until_progress_cancels) {
    auto& service = fresh();
    imtag::progress last;
    const auto options = imtag::bulk_options{}.capacity(200).progress([&](const imtag::progress& so_far) {
        last = so_far;
        return so_far.done >= 100;
    });
    outcomes seen;
    const auto error = thrown<imtag::cancelled>(
        [&] { static_cast<void>(service.client().bulk(made_once(tagged), note_in(seen), options)); });
    EXPECT_GE(last.done, 100u);
    ASSERT_NE(error.summary(), nullptr);
    EXPECT_EQ(error.summary()->taken, error.summary()->done + error.summary()->failed);
    EXPECT_GE(error.summary()->done, 100u);
}

TEST(bulk, an_exception_of_progress_cancels_once_and_is_rethrown) {
    auto& service = fresh();
    int asked = 0;
    auto owned = std::make_unique<int>(0);  // it cannot be copied
    const auto options = imtag::bulk_options{}.progress([&asked, owned = std::move(owned)](auto&) -> bool {
        ++asked;
        throw std::runtime_error("enough");
    });
    outcomes seen;
    const auto error = thrown<std::runtime_error>(
        [&] { static_cast<void>(service.client().bulk(made_once(tagged), note_in(seen), options)); });
    EXPECT_STREQ(error.what(), "enough");
    EXPECT_EQ(asked, 1);
    EXPECT_FALSE(seen.empty());
}

TEST(bulk, a_token_that_the_range_cancels_ends_the_run_at_once) {
    auto& service = fresh();
    const imtag::cancel_token token;
    const auto make = [&token](std::size_t number) {
        if (number == 2)
            token.cancel();
        return tagged(number);
    };
    const auto options = imtag::bulk_options{}.linger(std::chrono::milliseconds::max()).cancel(token);
    outcomes seen;
    const auto error = thrown<imtag::cancelled>(
        [&] { static_cast<void>(service.client().bulk(made_once(make), note_in(seen), options)); });
    EXPECT_EQ(seen.size(), 3u);
    EXPECT_EQ(error.summary()->taken, 2u);  // the third came after the run had ended
    EXPECT_EQ(error.summary()->attempts, 0u);
    EXPECT_NE(seen[2].find("cancelled (not applied"), std::string::npos) << seen[2];

    const auto later = thrown<imtag::cancelled>(  // the token stays cancelled, for every run that has it
        [&] { static_cast<void>(service.client().bulk(made_once(tagged), ignore, options)); });
    EXPECT_EQ(later.summary()->taken, 0u);
}

TEST(bulk, after_a_token_is_cancelled_attempts_complete_and_a_second_time_ends_them) {
    auto& service = fresh();
    for (const bool twice : {false, true}) {
        service.reset();
        service.fault("add", twice ? R"({"kind": "delay", "delay_ms": 60000})"
                                 : R"({"kind": "delay", "delay_ms": 500})");
        const imtag::cancel_token token;
        std::thread canceller([&] {
            while (service.requests().find("user0") == std::string::npos)
                std::this_thread::sleep_for(1ms);
            token.cancel();
            if (twice)
                token.cancel();
        });
        const auto options = imtag::bulk_options{}.cancel(token);
        outcomes seen;
        const std::vector<change> changes{tagged(0), change::remove("user0", {"a"})};
        EXPECT_THROW(static_cast<void>(service.client().bulk(changes, note_in(seen), options)), imtag::cancelled);
        canceller.join();
        EXPECT_EQ(seen[0].find("possibly applied") != std::string::npos, twice) << seen[0];
        EXPECT_NE(seen[1].find("not applied"), std::string::npos) << seen[1];
    }
}

TEST(bulk, an_exception_after_a_token_was_cancelled_lets_attempts_complete) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 300})");
    const imtag::cancel_token token;
    const auto make = [&](std::size_t number) {
        if (number == 0)
            return tagged(number);
        while (service.requests().find("user0") == std::string::npos)
            std::this_thread::sleep_for(1ms);
        token.cancel();
        throw std::runtime_error("enough");
    };
    const auto options = imtag::bulk_options{}.linger(0ms).cancel(token);
    outcomes seen;
    const auto run = [&] { static_cast<void>(service.client().bulk(made_once(make), note_in(seen), options)); };
    EXPECT_THROW(run(), std::runtime_error);
    EXPECT_EQ(seen, (outcomes{{0, ""}}));
}

TEST(bulk, a_run_of_a_rejected_app_ends_early_and_says_why) {
    auto& service = fresh();
    const imtag::client client{service.config().secret_key(std::string(64, '0'))};
    outcomes seen;
    const auto error = thrown<imtag::service_error>(
        [&] { static_cast<void>(client.bulk(made_once(tagged), note_in(seen))); });  // the range has no end
    EXPECT_NE(error.code(), 0);
    EXPECT_TRUE(imtag::explain(error.code()).known);
    ASSERT_NE(error.summary(), nullptr);
    EXPECT_EQ(error.summary()->done, 0u);
    EXPECT_EQ(service.user("user0").find(R"("a")"), std::string::npos);
}

TEST(bulk, a_change_that_came_after_the_run_had_ended_has_an_outcome_too) {
    auto& service = fresh();
    const imtag::client client{service.config().secret_key(std::string(64, '0'))};
    std::uint64_t made = 0;
    const auto make = [&made](std::size_t number) { return ++made, tagged(number); };
    std::map<std::uint64_t, imtag::error> seen;
    const auto note = [&seen](const imtag::outcome& outcome) { seen.emplace(outcome.index, *outcome.error); };
    const auto error = thrown<imtag::service_error>(
        [&] { static_cast<void>(client.bulk(made_once(make), note, imtag::bulk_options{}.capacity(10))); });
    EXPECT_EQ(seen.size(), made);
    EXPECT_EQ(error.summary()->taken, made - 1);  // all except the last, which came after the run had ended
    const imtag::error& last = seen.at(made - 1);
    EXPECT_EQ(last.effect(), imtag::effect::not_applied);
    EXPECT_EQ(last.failures().at(0).account, "user" + std::to_string(made - 1));
    EXPECT_EQ(last.undone(), std::vector<std::string_view>{"a"});
}

TEST(bulk, options_reach_the_library) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 60000}, {"kind": "delay", "delay_ms": 60000})");
    const auto options = imtag::bulk_options{}
                             .timeout(300ms)
                             .attempt_timeout(200ms)
                             .late_window(0ms)
                             .linger(std::chrono::milliseconds::max())
                             .capacity(10);
    outcomes seen;
    EXPECT_THROW(static_cast<void>(service.client().bulk(std::vector<change>{tagged(1)}, note_in(seen), options)),
                 imtag::timeout_error);  // the service became unavailable
    EXPECT_NE(seen[0].find("possibly applied"), std::string::npos) << seen[0];
}

TEST(bulk, a_client_that_was_closed_says_so) {
    imtag::client client = fresh().client();
    client.close();
    EXPECT_THROW(static_cast<void>(client.bulk(std::vector<change>(), ignore)), imtag::misuse);
}

TEST(changes, are_values_that_own_their_texts) {
    change first = change::clear("nobody");
    {
        const std::string account(100, 'x');
        std::vector<std::string> tags{std::string(60, 'y'), "北京"};
        first = change::remove(account, tags);
    }
    const change second = first;
    EXPECT_EQ(second.operation(), imtag::operation::remove);
    EXPECT_EQ(second.account(), std::string(100, 'x'));
    EXPECT_EQ(second.tags(), (std::vector<std::string_view>{std::string_view(first.text()).substr(100, 60), "北京"}));
    EXPECT_EQ(second.tags()[0], std::string(60, 'y'));
}

TEST(changes, a_change_that_was_moved_from_is_refused) {
    std::vector<change> changes{change::add("alice", {"a"})};
    const change moved = std::move(changes[0]);
    EXPECT_EQ(moved.account(), "alice");
    EXPECT_THROW(static_cast<void>(fresh().client().bulk(changes, ignore)), imtag::misuse);
}

}  // namespace
