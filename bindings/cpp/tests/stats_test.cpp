// Figures of a client, a bulk run and a batcher: names, labels and numbers, and a text for Prometheus.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

using namespace std::chrono_literals;
using imtag::change;

namespace {

const char* const add_done = R"(operation="add",outcome="done")";

TEST(stats, of_a_client_have_names_labels_and_numbers) {
    auto& service = fresh();
    const imtag::client client = service.client();
    client.add_tag({{"alice", {"a"}}});
    service.fault("add", R"({"kind": "leave_out", "accounts": ["bob"], "code": 70107, "text": ""})");
    EXPECT_THROW(client.add_tag({{"alice", {"a"}}, {"bob", {"a"}}}), imtag::partial_failure);
    static_cast<void>(client.get_tag({"alice"}));
    const imtag::stats stats = client.stats();
    EXPECT_EQ(stats.value("imtag_calls_total", add_done), 1);
    EXPECT_EQ(stats.value("imtag_calls_total", R"(operation="add",outcome="partial")"), 1);
    EXPECT_EQ(stats.value("imtag_calls_total"), 3);
    EXPECT_EQ(stats.value("imtag_usersigs_total"), 1);
    EXPECT_TRUE(std::isnan(stats.value("imtag_lost_total")));
    EXPECT_TRUE(std::isnan(stats.value("imtag_calls_total", R"(operation="lose")")));
    std::size_t count = 0;
    bool is_there = false;
    for (const imtag::figure figure : stats) {
        ++count;
        if (figure.name != "imtag_calls_total" || figure.labels != add_done)
            continue;
        is_there = true;
        EXPECT_EQ(figure.help, "Calls that have ended.");
        EXPECT_TRUE(figure.is_counter);
        EXPECT_EQ(figure.value, 1);
    }
    EXPECT_TRUE(is_there);
    EXPECT_EQ(count, stats.size());
    EXPECT_GT(count, 20u);
    EXPECT_FALSE(stats.empty());
    EXPECT_NE(stats.text().find("# TYPE imtag_in_outage gauge\nimtag_in_outage 0\n"), std::string_view::npos);
}

TEST(stats, of_several_clients_are_told_apart_by_a_label) {
    const imtag::client one = fresh().client();
    one.add_tag({{"alice", {"a"}}});
    const imtag::stats joined = imtag::join_stats("client", {{"one", one.stats()}, {"the \"other\"", one.stats()}});
    EXPECT_EQ(joined.size(), 2 * one.stats().size());
    EXPECT_EQ(joined.value("imtag_calls_total", R"(client="one",operation="add",outcome="done")"), 1);
    EXPECT_EQ(joined.value("imtag_calls_total"), 2);
    EXPECT_NE(joined.text().find("# TYPE imtag_in_outage gauge\n"
                                 "imtag_in_outage{client=\"one\"} 0\n"
                                 "imtag_in_outage{client=\"the \\\"other\\\"\"} 0\n"),
              std::string_view::npos);
    EXPECT_TRUE(imtag::join_stats("client", {}).empty());
    EXPECT_THROW(imtag::join_stats("operation", {{"one", one.stats()}}), imtag::misuse);
    EXPECT_THROW(imtag::join_stats("client", {{"none", imtag::stats()}}), imtag::misuse);
}

TEST(stats, stay_when_the_client_counts_on_or_is_closed) {
    imtag::client client = fresh().client();
    imtag::stats before = client.stats();
    client.add_tag({{"alice", {"a"}}});
    EXPECT_EQ(before.value("imtag_calls_total"), 0);
    client.close();
    const imtag::stats copied = before, moved = std::move(before);
    EXPECT_EQ(copied.value("imtag_calls_total"), 0);
    EXPECT_EQ(moved.size(), copied.size());
    EXPECT_TRUE(before.begin() == before.end());
    EXPECT_THROW(static_cast<void>(client.stats()), imtag::misuse);
}

TEST(stats, of_a_bulk_run_are_read_by_any_thread_before_during_and_after_it) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 500})");
    const imtag::bulk_watch watch;
    const imtag::stats none = watch.stats();
    EXPECT_TRUE(none.empty());
    EXPECT_EQ(none.text(), "");
    double unsettled = 0, asked = 0;
    std::thread beside([&] {
        while (unsettled != 2)
            unsettled = watch.stats().value("imtag_bulk_unsettled");
    });
    const auto options = imtag::bulk_options{}.watch(watch).progress([&](const imtag::progress&) {
        asked = watch.stats().value("imtag_bulk_changes_taken_total");
        return false;
    });
    const std::vector<change> changes{change::add("alice", {"a"}), change::add("bob", {"a"})};
    const imtag::client client = service.client();
    const auto ignore = [](const imtag::outcome&) {};
    EXPECT_EQ(client.bulk(changes, ignore, options).done, 2u);
    beside.join();
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(watch.stats().value("imtag_bulk_changes_done_total"), 2);
    EXPECT_EQ(watch.stats().value("imtag_bulk_request_users_total"), 2);
    EXPECT_EQ(client.bulk(std::vector<change>(), ignore, options).done, 0u);
    EXPECT_EQ(watch.stats().value("imtag_bulk_changes_done_total"), 0);
}

TEST(stats, of_a_batcher_outlive_its_close) {
    const imtag::client client = fresh().client();
    imtag::batcher batcher{client, imtag::batcher_options{}.linger(60s)};
    const std::future<void> lingers = batcher.submit(change::add("alice", {"a"}));
    EXPECT_EQ(batcher.stats().value("imtag_batcher_unsettled"), 1);
    batcher.close();
    EXPECT_EQ(batcher.stats().value("imtag_batcher_changes_done_total"), 1);
    batcher.abandon();
    EXPECT_THROW(static_cast<void>(batcher.stats()), imtag::misuse);
}

}  // namespace
