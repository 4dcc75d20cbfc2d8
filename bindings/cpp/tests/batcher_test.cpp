// Threads share requests through a batcher; each has its own outcome, and no change is lost without an error.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;
using imtag::batcher_options;
using imtag::change;

namespace {

/// Options of a batcher that sends only when a request is full, or at a flush.
const batcher_options long_linger = batcher_options{}.linger(1h).timeout(1h);

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++count;
    return count;
}

/// The exception of a class that a future has, by a copy of it.
template <class Error>
Error thrown_by(std::future<void>& future) {
    try {
        future.get();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("nothing was thrown");
}

bool is_ready(const std::future<void>& future) { return future.wait_for(0s) == std::future_status::ready; }

TEST(batcher, threads_share_a_request_and_only_the_account_at_fault_fails) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "leave_out", "accounts": ["user7"], "code": 70107})");
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, long_linger};
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 100; ++i)  // as many as close a batch
        threads.emplace_back([&, i] {
            const std::string account = "user" + std::to_string(i);
            try {
                batcher.add_tag(account, {"a", "b"});
            } catch (const imtag::service_error& error) {
                ++failed;
                EXPECT_EQ(account, "user7");
                EXPECT_EQ(error.code(), 70107);
                EXPECT_EQ(error.failures().at(0).account, "user7");
                EXPECT_EQ(error.undone(), (std::vector<std::string_view>{"a", "b"}));
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_EQ(failed, 1);
    EXPECT_EQ(count_of(service.requests(), "user8\""), 1u);
    EXPECT_NE(service.user("user8").find(R"(["a","b"])"), std::string::npos);
}

TEST(batcher, the_calls_that_wait_do_what_those_of_a_client_do) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, batcher_options{}.linger(0ms)};
    const std::vector<std::string> tags{"a", "b", "c"};
    batcher.add_tag("alice", tags);
    batcher.remove_tag("alice", {"b"}, imtag::call{}.timeout(1min));
    EXPECT_NE(service.user("alice").find(R"(["a","c"])"), std::string::npos);
    batcher.clear_tags("alice");
    EXPECT_NE(service.user("alice").find("[]"), std::string::npos);
    EXPECT_THROW(batcher.add_tag("", tags), imtag::invalid_request);
    EXPECT_THROW(batcher.add_tag("alice", {"\xff"}), imtag::invalid_request);
}

TEST(batcher, a_future_has_the_outcome_of_its_change) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "leave_out", "accounts": ["bob"], "code": 70107})");
    const imtag::batcher batcher{service.client(), long_linger};  // it outlives its client
    std::future<void> good = batcher.submit(change::add("alice", {"a"}));
    std::future<void> left_out = batcher.submit(change::add("bob", {"a"}));
    std::future<void> cleared = batcher.submit(change::clear("carol"));
    std::future<void> removed = batcher.submit(change::remove("dave", {"a"}));
    std::future<void> invalid = batcher.submit(change::add("erin", {std::string(51, 'x')}));
    EXPECT_EQ(thrown_by<imtag::invalid_request>(invalid).violations().at(0).problem, "51 bytes, at most 50");
    EXPECT_FALSE(is_ready(good));
    batcher.flush();
    EXPECT_NO_THROW(good.get());
    EXPECT_NO_THROW(cleared.get());
    EXPECT_NO_THROW(removed.get());
    const auto error = thrown_by<imtag::service_error>(left_out);
    EXPECT_EQ(error.code(), 70107);
    EXPECT_EQ(error.undone(), std::vector<std::string_view>{"a"});
}

/// Fills a batcher with a capacity of two: the first two changes are under way, answered after 200 ms, and it holds two
/// more.
std::vector<std::future<void>> fill(const emulator& service, const imtag::batcher& batcher) {
    service.fault("add", R"({"kind": "delay", "answer_delay_ms": 200})");
    std::vector<std::future<void>> futures;
    for (const char* account : {"user0", "user1", "user2", "user3"}) {
        futures.push_back(batcher.submit(change::add(account, {"a"})));
        while (futures.size() == 2 && service.requests().find("user1") == std::string::npos)
            std::this_thread::yield();
    }
    return futures;
}

TEST(batcher, a_full_batcher_that_fails_refuses_at_once) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, batcher_options(long_linger).capacity(2).when_full(imtag::when_full::fail)};
    auto futures = fill(service, batcher);
    EXPECT_THROW(batcher.add_tag("user4", {"a"}), imtag::full_error);
    EXPECT_THROW(static_cast<void>(batcher.submit(change::add("user4", {"a"}))), imtag::full_error);
    batcher.close();
    for (std::future<void>& future : futures)
        EXPECT_NO_THROW(future.get());
}

TEST(batcher, a_full_batcher_that_waits_takes_the_change_when_there_is_capacity) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, batcher_options(long_linger).capacity(2)};
    auto futures = fill(service, batcher);
    futures.push_back(batcher.submit(change::add("user4", {"a"})));
    batcher.close();
    for (std::future<void>& future : futures)
        EXPECT_NO_THROW(future.get());
}

TEST(batcher, a_close_loses_nothing_and_then_refuses) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, long_linger};
    std::vector<std::future<void>> futures;
    for (int i = 0; i < 150; ++i)
        futures.push_back(batcher.submit(change::add("user" + std::to_string(i), {"a"})));
    EXPECT_GT(batcher.unsettled(), 0u);
    batcher.close();
    EXPECT_EQ(batcher.unsettled(), 0u);
    for (std::future<void>& future : futures) {
        ASSERT_TRUE(is_ready(future));
        EXPECT_NO_THROW(future.get());
    }
    EXPECT_NE(service.user("user149").find(R"(["a"])"), std::string::npos);
    EXPECT_THROW(batcher.add_tag("alice", {"a"}), imtag::closed_error);
    EXPECT_THROW(static_cast<void>(batcher.submit(change::clear("alice"))), imtag::closed_error);
    batcher.close();
}

TEST(batcher, a_flush_waits_for_the_futures_too) {
    const imtag::client client = fresh().client();
    const imtag::batcher batcher{client, long_linger};
    for (int round = 0; round < 50; ++round) {
        const std::future<void> future = batcher.submit(change::add("", {"a"}));  // its outcome is there at once
        batcher.flush();
        ASSERT_TRUE(is_ready(future));
    }
}

TEST(batcher, a_wait_that_ends_early_loses_nothing) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 300})");
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, long_linger};
    std::future<void> slow = batcher.submit(change::add("alice", {"a"}));
    EXPECT_THROW(batcher.flush(imtag::call{}.timeout(1ms)), imtag::timeout_error);
    const imtag::call stopped;
    stopped.cancel();
    EXPECT_THROW(batcher.close(stopped), imtag::cancelled);
    batcher.close();
    EXPECT_NO_THROW(slow.get());
}

TEST(batcher, a_call_whose_time_is_up_withdraws_its_change) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const imtag::batcher batcher{client, long_linger};
    try {
        batcher.add_tag("alice", {"a"}, imtag::call{}.timeout(20ms));
        FAIL() << "nothing was thrown";
    } catch (const imtag::timeout_error& error) {
        EXPECT_EQ(error.effect(), imtag::effect::not_applied);
    }
    batcher.close();
    EXPECT_EQ(service.requests().find("alice"), std::string::npos);
}

TEST(batcher, an_abandoned_batcher_returns_how_many_changes_it_had_and_fails_their_futures) {
    const imtag::client client = fresh().client();
    imtag::batcher batcher{client, long_linger};
    auto first = batcher.submit(change::add("alice", {"a"}));
    auto second = batcher.submit(change::add("bob", {"a"}));
    EXPECT_EQ(batcher.abandon(), 2u);
    const auto error = thrown_by<imtag::cancelled>(first);
    EXPECT_STREQ(error.what(),
                 "add \"alice\": cancelled by its caller (not applied; send it again if it is still wanted)");
    EXPECT_EQ(error.effect(), imtag::effect::not_applied);
    EXPECT_EQ(error.status(), imtag::status::cancelled);
    EXPECT_TRUE(error.retryable());
    ASSERT_EQ(error.failures().size(), 1u);
    EXPECT_EQ(error.failures()[0].account, "alice");
    EXPECT_EQ(error.failures()[0].effect, imtag::effect::not_applied);
    EXPECT_EQ(error.undone(), std::vector<std::string_view>{"a"});
    EXPECT_EQ(thrown_by<imtag::cancelled>(second).failures().at(0).account, "bob");
    EXPECT_EQ(batcher.abandon(), 0u);
    EXPECT_THROW(batcher.add_tag("alice", {"a"}), imtag::misuse);
    std::future<void> third;
    {
        const imtag::batcher short_lived{client, long_linger};
        third = short_lived.submit(change::add("alice", {"a"}));
    }
    EXPECT_THROW(third.get(), imtag::cancelled);
}

TEST(batcher, is_moved_and_not_copied) {
    EXPECT_TRUE(std::is_nothrow_move_constructible_v<imtag::batcher>);
    EXPECT_TRUE(std::is_nothrow_move_assignable_v<imtag::batcher>);
    EXPECT_FALSE(std::is_copy_constructible_v<imtag::batcher>);
    const imtag::client client = fresh().client();
    imtag::batcher first{client, long_linger};
    auto kept = first.submit(change::add("alice", {"a"}));
    imtag::batcher second = std::move(first);
    EXPECT_THROW(first.flush(), imtag::misuse);
    EXPECT_EQ(first.unsettled(), 0u);
    second.flush();
    EXPECT_NO_THROW(kept.get());
    auto lost = second.submit(change::add("alice", {"a"}));
    second = imtag::batcher{client};
    EXPECT_THROW(lost.get(), imtag::cancelled);
    second.add_tag("alice", {"a"});
}

TEST(batcher, many_threads_submit_and_wait_at_once) {
    auto& service = fresh();
    const imtag::client client = service.client();
    const imtag::batcher batcher{client};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
            const std::string account = "user" + std::to_string(i);
            for (int round = 0; round < 20; ++round) {
                std::future<void> future = batcher.submit(change::add(account, {"a"}));
                batcher.remove_tag(account, {"b"});
                EXPECT_NO_THROW(future.get());
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_NE(service.user("user7").find(R"(["a"])"), std::string::npos);
}

TEST(batcher, its_threads_take_no_signals) {
    const imtag::client client = fresh().client();
    const imtag::batcher batcher{client};
    batcher.submit(change::add("alice", {"a"})).get();
    std::size_t threads = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        if (task.path().filename() == std::to_string(getpid()))
            continue;
        std::ifstream status(task.path() / "status");
        for (std::string line; std::getline(status, line);)
            if (line.compare(0, 7, "SigBlk:") == 0) {
                ++threads;
                EXPECT_NE(std::stoull(line.substr(7), nullptr, 16) & (1ull << (SIGUSR1 - 1)), 0u) << task.path();
            }
    }
    EXPECT_GE(threads, 2u);  // one fulfils the promises, another sends
}

TEST(batcher, a_forked_child_is_refused_and_ends_while_the_parent_goes_on) {
    const imtag::client client = fresh().client();
    auto batcher = std::make_unique<imtag::batcher>(client, long_linger);
    std::future<void> future = batcher->submit(change::add("alice", {"a"}));
    const pid_t child = fork();
    if (child == 0) {
        int refused = 0;
        try {
            static_cast<void>(batcher->submit(change::clear("bob")));
        } catch (const imtag::misuse& error) {
            refused += std::string_view(error.what()).find("belongs to the process that this one was forked from") !=
                       std::string_view::npos;
        }
        try {
            batcher->add_tag("bob", {"a"});
        } catch (const imtag::misuse&) {
            ++refused;
        }
        const bool nothing = batcher->unsettled() == 0 && batcher->abandon() == 0;
        batcher.reset();
        _exit(refused == 2 && nothing ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    batcher->flush();
    EXPECT_NO_THROW(future.get());
}

}  // namespace
