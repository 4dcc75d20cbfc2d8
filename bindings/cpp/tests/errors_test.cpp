// Every kind of failure is a class of its own, and has what the library knows.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <type_traits>

using namespace std::chrono_literals;

namespace {

/// A copy of the exception of a class that `act` throws: its contents must outlive the original.
template <class Error, class Act>
Error thrown(Act act) {
    try {
        act();
    } catch (const Error& error) {
        return error;
    }
    throw std::logic_error("nothing was thrown");
}

template <class Error>
Error thrown_by_adding(const imtag::client& client) {
    return thrown<Error>([&] { client.add_tag({{"alice", {"a"}}, {"bob", {"b"}}}); });
}

TEST(errors, can_be_copied_without_throwing) {
    EXPECT_TRUE(std::is_nothrow_copy_constructible_v<imtag::error>);
    EXPECT_TRUE(std::is_nothrow_copy_constructible_v<imtag::partial_failure>);
    EXPECT_TRUE(std::is_nothrow_copy_constructible_v<imtag::version_mismatch>);
}

TEST(errors, an_error_that_was_moved_from_keeps_its_contents) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "leave_out", "accounts": ["bob"], "code": 70107, "text": "no bob"})");
    auto first = thrown_by_adding<imtag::partial_failure>(service.client());
    {
        imtag::partial_failure second = std::move(first);
        const imtag::error third = std::move(static_cast<imtag::error&>(second));
        second = imtag::partial_failure(nullptr, {});
    }
    EXPECT_NE(std::string(first.what()).find("70107"), std::string::npos) << first.what();
    EXPECT_EQ(first.remedy(), imtag::explain(70107).remedy);
    EXPECT_EQ(first.text(), "no bob");
    EXPECT_EQ(first.result().accounts(), 1u);
}

TEST(errors, a_request_that_breaks_limits_names_every_place) {
    const imtag::client client = fresh().client();
    const std::string too_long(51, 'x');
    const auto error = thrown<imtag::invalid_request>(
        [&] { client.add_tag({{"alice", {"a", "b", too_long}}, {"", {"a"}}}); });
    EXPECT_EQ(error.status(), imtag::status::invalid);
    EXPECT_EQ(error.effect(), imtag::effect::not_applied);
    EXPECT_FALSE(error.retryable());
    EXPECT_EQ(error.attempts(), 0u);
    const auto violations = error.violations();
    ASSERT_EQ(violations.size(), 2u);
    EXPECT_EQ(violations[0].place, "users[0].tags[2]");
    EXPECT_EQ(violations[0].problem, "51 bytes, at most 50");
    EXPECT_EQ(violations[1].place, "users[1].account");
    EXPECT_EQ(violations[1].remedy, "leave it out, or fill it");
    EXPECT_NE(std::string(error.what()).find("users[0].tags[2]: 51 bytes, at most 50"), std::string::npos);
    EXPECT_EQ(shared_emulator().requests().find("alice"), std::string::npos);
}

TEST(errors, an_empty_request_is_invalid) {
    const imtag::client client = fresh().client();
    EXPECT_THROW(client.clear_tags(std::vector<std::string>{}), imtag::invalid_request);
    EXPECT_THROW(client.add_tag({}), imtag::invalid_request);
    EXPECT_THROW(client.clear_tags({}), imtag::invalid_request);
}

TEST(errors, a_partial_success_names_the_account_that_failed_and_has_what_was_done) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "leave_out", "accounts": ["bob"], "code": 70107, "text": "no bob"})");
    const auto error = thrown_by_adding<imtag::partial_failure>(service.client());
    EXPECT_EQ(error.status(), imtag::status::partial);
    EXPECT_EQ(error.code(), 70107);
    EXPECT_EQ(error.text(), "no bob");
    EXPECT_EQ(error.result().accounts(), 1u);
    EXPECT_EQ(error.result().attempts(), 1u);
    EXPECT_EQ(error.result().request_id(), error.request_id());
    const auto failures = error.failures();
    ASSERT_EQ(failures.size(), 1u);
    EXPECT_EQ(failures[0].account, "bob");
    EXPECT_EQ(failures[0].code, 70107);
    EXPECT_EQ(failures[0].text, "no bob");
    EXPECT_EQ(failures[0].remedy, imtag::explain(70107).remedy);
    EXPECT_EQ(failures[0].effect, imtag::effect::not_applied);
    EXPECT_FALSE(failures[0].retryable);
    EXPECT_NE(service.user("alice").find("\"a\""), std::string::npos);
}

TEST(errors, a_refusal_of_the_service_has_its_code_and_text) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "code", "code": 60010, "text": "not an administrator"})");
    const auto error = thrown_by_adding<imtag::service_error>(service.client());
    EXPECT_EQ(error.status(), imtag::status::service);
    EXPECT_EQ(error.code(), 60010);
    EXPECT_EQ(error.text(), "not an administrator");
    EXPECT_EQ(error.remedy(), imtag::explain(60010).remedy);
    EXPECT_EQ(error.attempts_sent(), 1u);
    EXPECT_FALSE(error.request_id().empty());
    EXPECT_TRUE(error.failures().empty());
    EXPECT_TRUE(error.violations().empty());
}

TEST(errors, a_call_whose_time_is_up_says_what_is_known) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 5000})");
    const imtag::client client{service.config().timeout(300ms).max_attempts(1)};
    const auto error = thrown_by_adding<imtag::timeout_error>(client);
    EXPECT_EQ(error.status(), imtag::status::timeout);
    EXPECT_EQ(error.effect(), imtag::effect::possibly_applied);
}

TEST(errors, settings_that_cannot_be_used_name_the_first) {
    auto& service = fresh();
    const auto error = thrown<imtag::settings_error>(
        [&] { imtag::client client{service.config().region("mars").max_attempts(0)}; });
    EXPECT_EQ(error.status(), imtag::status::settings);
    EXPECT_NE(std::string(error.what()).find("unknown region \"mars\""), std::string::npos) << error.what();
    EXPECT_THROW(imtag::client{imtag::config{}}, imtag::settings_error);
    // the library takes no time below 0
    EXPECT_THROW(imtag::client{service.config().timeout(-1s)}, imtag::settings_error);
}

TEST(errors, a_setting_that_is_not_in_the_environment_is_empty) {
    const char* missing = nullptr;
    EXPECT_THROW(imtag::client{fresh().config().endpoint(missing)}, imtag::settings_error);
    EXPECT_THROW(imtag::client{fresh().config().ca_file(missing)}, imtag::settings_error);
}

TEST(errors, a_proxys_user_and_password_are_in_no_message) {
    const auto behind = [](const std::string& proxy) {
        auto config = fresh().config().region("singapore").spare_endpoint("none").roots("built-in").max_attempts(1);
        config.proxy(proxy);
        return config;
    };
    const auto refused =
        thrown<imtag::settings_error>([&] { imtag::client client{behind("ftp://corp:hush@127.0.0.1:1")}; });
    EXPECT_EQ(std::string(refused.what()),
              "the proxy has another scheme than http, https and socks5: set it as http://host:port, https://host:port "
              "or socks5://host:port, with user:password@ before the host if it asks for them, or as direct");
    const imtag::client client{behind("socks5://corp:hush@127.0.0.1:1")};
    const auto failed = thrown<imtag::network_error>([&] { client.add_tag({{"alice", {"a"}}}); });
    EXPECT_STREQ(failed.what(),
                 "add: the proxy socks5://127.0.0.1:1 cannot be reached: Connection refused (os error 111) (not "
                 "applied; check that the proxy runs, and the setting `proxy`, or HTTPS_PROXY and ALL_PROXY)");
}

TEST(errors, a_key_is_in_no_message) {
    auto& service = fresh();
    const std::string key = "key that\nno one may see";
    try {
        imtag::client(service.config().secret_key(key)).add_tag({{"alice", {"a"}}});
        FAIL() << "a wrong key was accepted";
    } catch (const imtag::error& error) {
        EXPECT_EQ(std::string(error.what()).find("no one may see"), std::string::npos);
    }
}

TEST(errors, a_defect_and_a_status_of_a_later_patch_level_are_errors_too) {
    EXPECT_THROW(imtag::detail::raise(IM_DEFECT, nullptr), imtag::defect);
    EXPECT_EQ(static_cast<int>(thrown<imtag::error>([] { imtag::detail::raise(99, nullptr); }).status()), 99);
}

}  // namespace
