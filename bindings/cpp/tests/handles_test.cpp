// Handles are moved, free themselves, and report a wrong use; callbacks run, and may throw.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <type_traits>

using namespace std::chrono_literals;

namespace {

template <class Act>
std::string message_of_misuse(Act act) {
    try {
        act();
    } catch (const imtag::misuse& error) {
        EXPECT_EQ(error.status(), imtag::status::misuse);
        EXPECT_EQ(error.effect(), imtag::effect::not_applied);
        EXPECT_STRNE(error.remedy(), "");
        return error.what();
    }
    return "nothing was thrown";
}

template <class Handle>
constexpr bool is_moved_only = std::is_nothrow_move_constructible_v<Handle> &&
                               std::is_nothrow_move_assignable_v<Handle> && !std::is_copy_constructible_v<Handle>;

TEST(handles, are_moved_and_not_copied) {
    EXPECT_TRUE(is_moved_only<imtag::client>);
    EXPECT_TRUE(is_moved_only<imtag::config>);
    EXPECT_TRUE(is_moved_only<imtag::call>);
    EXPECT_TRUE(is_moved_only<imtag::result>);
    EXPECT_TRUE(is_moved_only<imtag::log>);
    EXPECT_TRUE(is_moved_only<imtag::log_queue>);
    EXPECT_TRUE(is_moved_only<imtag::log_record>);
}

TEST(handles, a_client_that_was_moved_or_closed_says_so) {
    imtag::client first = fresh().client();
    imtag::client second = std::move(first);
    EXPECT_EQ(second.add_tag({{"alice", {"a"}}}).accounts(), 1u);
    const std::string message =
        "wrong use of libimtag, nothing was sent: the imtag::client was closed or moved from";
    EXPECT_EQ(message_of_misuse([&] { first.add_tag({{"alice", {"a"}}}); }), message);
    second.close();
    second.close();
    EXPECT_EQ(message_of_misuse([&] { second.clear_tags({"alice"}); }), message);
    first = shared_emulator().client();
    EXPECT_EQ(first.add_tag({{"alice", {"a"}}}).accounts(), 1u);
}

TEST(handles, a_config_makes_many_clients_and_may_be_destroyed_before_them) {
    auto settings = fresh().config();
    settings.timeout(5s).connect_timeout(1min).calls_per_second(50).fresh_start(true);
    settings.max_attempts(2).limit("tag_bytes", 40);
    const imtag::client first{settings};
    imtag::config moved = std::move(settings);
    const imtag::client second{moved.generation("timpush")};
    moved = imtag::config{};
    EXPECT_EQ(first.add_tag({{"alice", {"a"}}}).accounts(), 1u);
    EXPECT_EQ(second.replace_tags({{"alice", {"b"}}}).accounts(), 1u);
    EXPECT_EQ(message_of_misuse([&] { imtag::client client{settings.region("singapore")}; }),
              "wrong use of libimtag, nothing was sent: the imtag::config was moved from");
}

TEST(handles, a_result_that_was_moved_from_is_empty) {
    imtag::result done = fresh().client().add_tag({{"alice", {"a"}}});
    const imtag::result moved = std::move(done);
    EXPECT_EQ(moved.accounts(), 1u);
    EXPECT_EQ(done.accounts(), 0u);
    EXPECT_TRUE(done.request_id().empty());
    EXPECT_TRUE(done.users().empty());
}

TEST(calls, a_time_that_is_over_sends_nothing) {
    const imtag::client client = fresh().client();
    EXPECT_THROW(client.clear_tags({"alice"}, imtag::call{}.timeout(0s)), imtag::timeout_error);
    EXPECT_THROW(client.clear_tags({"alice"}, imtag::call{}.timeout(-1h)), imtag::timeout_error);
    EXPECT_EQ(client.clear_tags({"alice"}, imtag::call{}.timeout(std::chrono::milliseconds::max())).accounts(), 1u);
}

TEST(calls, an_attempt_that_takes_too_long_is_made_again) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 5000})");
    const imtag::call call = imtag::call{}.attempt_timeout(100ms);
    EXPECT_GE(service.client().add_tag({{"alice", {"a"}}}, call).attempts(), 2u);
}

TEST(calls, a_call_that_is_cancelled_first_sends_nothing_and_stays_cancelled) {
    const imtag::client client = fresh().client();
    const imtag::call call;
    EXPECT_EQ(client.add_tag({{"alice", {"a"}}}, call).accounts(), 1u);
    call.cancel();
    EXPECT_THROW(client.add_tag({{"alice", {"a"}}}, call), imtag::cancelled);
    EXPECT_THROW(client.add_tag({{"alice", {"a"}}}, call), imtag::cancelled);
}

TEST(calls, another_thread_cancels_a_call_under_way_which_is_in_use_meanwhile) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 60000})");
    const imtag::client client{service.config().timeout(1min)};
    std::atomic<bool> under_way{false};
    imtag::call call = imtag::call{}.interrupt([&] {
        under_way = true;
        return false;
    });
    std::thread other([&] {
        while (!under_way)
            std::this_thread::yield();
        EXPECT_EQ(message_of_misuse([&] { call.timeout(1s); }),
                  "wrong use of libimtag: this imtag::call is in use by a call, or was moved from");
        EXPECT_THROW(client.clear_tags({"alice"}, call), imtag::misuse);
        call.cancel();
    });
    EXPECT_THROW(client.add_tag({{"alice", {"a"}}}, call), imtag::cancelled);
    other.join();
}

TEST(calls, an_interrupt_ends_a_call_by_returning_true_or_by_throwing) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 60000}, {"kind": "delay", "delay_ms": 60000})");
    const imtag::client client = service.client();
    auto owned = std::make_unique<int>(0);
    int* asked = owned.get();
    auto moved_only = [owned = std::move(owned)] { return ++*owned == 2; };
    imtag::call first = imtag::call{}.interrupt(std::move(moved_only));
    const imtag::call call = std::move(first);
    EXPECT_THROW(client.add_tag({{"alice", {"a"}}}, call), imtag::cancelled);
    EXPECT_EQ(*asked, 2);
    const auto throwing = imtag::call{}.interrupt([]() -> bool { throw std::runtime_error("enough"); });
    EXPECT_THROW(client.add_tag({{"alice", {"a"}}}, throwing), imtag::cancelled);
}

TEST(calls, an_interrupt_is_kept_until_another_is_set_or_the_call_is_destroyed) {
    auto first = std::make_shared<int>(0), second = std::make_shared<int>(0);
    const std::weak_ptr<int> saw_first = first, saw_second = second;
    {
        imtag::call call;
        call.interrupt([first = std::move(first)] { return false; });
        const imtag::call moved = std::move(call).interrupt([second = std::move(second)] { return false; });
        EXPECT_TRUE(saw_first.expired());
        EXPECT_FALSE(saw_second.expired());
    }
    EXPECT_TRUE(saw_second.expired());
}

TEST(calls, a_call_that_was_moved_from_is_a_misuse_not_a_default) {
    const imtag::client client = fresh().client();
    imtag::call call;
    const imtag::call moved = std::move(call);
    EXPECT_EQ(message_of_misuse([&] { client.clear_tags({"alice"}, call); }),
              "wrong use of libimtag, nothing was sent: the imtag::call was moved from");
    EXPECT_THROW(call.timeout(1s), imtag::misuse);
    EXPECT_THROW(call.interrupt([] { return false; }), imtag::misuse);
    call.cancel();
}

TEST(credentials, a_callback_supplies_a_usersig_and_is_destroyed_with_its_last_client) {
    auto& service = fresh();
    auto calls = std::make_shared<int>(0);
    std::weak_ptr<int> seen = calls;
    {
        const imtag::client client{service.config().credential_callback(
            [calls = std::move(calls), usersig = service.usersig()] {
                ++*calls;
                return imtag::credential(usersig, 1h);
            })};
        EXPECT_EQ(client.add_tag({{"alice", {"a"}}}).accounts(), 1u);
        EXPECT_EQ(client.clear_tags({"alice"}).accounts(), 1u);
        EXPECT_EQ(*seen.lock(), 1);
    }
    EXPECT_TRUE(seen.expired());
}

TEST(credentials, a_usersig_that_expires_soon_is_asked_for_again) {
    auto& service = fresh();
    int calls = 0;
    const imtag::client client{service.config().credential_callback([&calls, usersig = service.usersig()] {
        ++calls;
        return imtag::credential(usersig, 10ms);
    })};
    for (int i = 0; i < 50 && calls < 2; ++i)
        client.clear_tags({"alice"});
    EXPECT_EQ(calls, 2);
}

TEST(credentials, a_text_alone_or_a_ready_one_is_a_usersig_too) {
    auto& service = fresh();
    const auto supply = [usersig = service.usersig()]() -> std::string_view { return usersig; };
    EXPECT_EQ(imtag::client(service.config().credential_callback(supply)).clear_tags({"alice"}).accounts(), 1u);
    EXPECT_EQ(imtag::client(service.config().usersig(service.usersig())).clear_tags({"bob"}).accounts(), 1u);
}

TEST(credentials, a_callback_that_throws_or_returns_an_expired_usersig_fails_the_call_with_its_reason) {
    const auto message_of = [](imtag::config settings) -> std::string {
        try {
            imtag::client(settings).add_tag({{"alice", {"a"}}});
        } catch (const imtag::credentials_error& error) {
            EXPECT_EQ(error.status(), imtag::status::credentials);
            return error.what();
        }
        return "nothing was thrown";
    };
    auto& service = fresh();
    const auto throwing = []() -> std::string { throw std::runtime_error("the vault is sealed"); };
    EXPECT_NE(message_of(service.config().credential_callback(throwing)).find("the vault is sealed"),
              std::string::npos);
    const auto odd = []() -> std::string { throw 7; };
    EXPECT_NE(message_of(service.config().credential_callback(odd)).find("no std::exception"), std::string::npos);
    const auto over = [usersig = service.usersig()] { return imtag::credential(usersig, -1ms); };
    EXPECT_NE(message_of(service.config().credential_callback(over)).find("its valid_for is negative"),
              std::string::npos);
    EXPECT_EQ(service.requests().find("alice"), std::string::npos);
    const auto empty = [] { return ""; };
    EXPECT_NE(message_of(service.config().credential_callback(empty)).find("empty"), std::string::npos);
}

TEST(credentials, a_callback_that_is_replaced_is_destroyed) {
    auto alive = std::make_shared<int>(0);
    std::weak_ptr<int> seen = alive;
    auto settings = fresh().config().credential_callback([alive = std::move(alive)] { return std::string(); });
    EXPECT_FALSE(seen.expired());
    settings.usersig("ready");
    EXPECT_TRUE(seen.expired());
    EXPECT_THROW(imtag::client{std::move(settings)}.clear_tags({"alice"}), imtag::error);
}

}  // namespace
