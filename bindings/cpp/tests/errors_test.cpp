// Every kind of failure is a class of its own, and has what the library knows.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <limits>
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

imtag::client client_of_one_attempt(const emulator& service) { return imtag::client(service.config().max_attempts(1)); }

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

TEST(errors, replacing_tags_on_paths_that_cannot_is_invalid) {
    const imtag::client client = fresh().client();
    EXPECT_THROW(client.replace_tags({{"alice", {"a"}}}), imtag::invalid_request);
}

TEST(errors, an_empty_request_is_invalid) {
    const imtag::client client = fresh().client();
    EXPECT_THROW(client.clear_tags(std::vector<std::string>{}), imtag::invalid_request);
    EXPECT_THROW(client.add_tag({}), imtag::invalid_request);
    EXPECT_THROW(client.clear_tags({}), imtag::invalid_request);
}

TEST(errors, bytes_that_are_not_utf8_are_refused_with_their_place) {
    const imtag::client client = fresh().client();
    const auto error = thrown<imtag::invalid_request>([&] { client.add_tag({{"alice", {"a", "a\xff"}}}); });
    EXPECT_EQ(error.violations().at(0).place, "users[0].tags[1]");
    EXPECT_EQ(error.violations().at(0).problem, "not UTF-8 from byte 1 on");
    EXPECT_EQ(shared_emulator().requests().find("alice"), std::string::npos);
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

TEST(errors, an_http_status_is_not_the_services_answer) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "status", "status": 502})");
    const auto error = thrown_by_adding<imtag::http_status_error>(client_of_one_attempt(service));
    EXPECT_EQ(error.status(), imtag::status::http_status);
    EXPECT_TRUE(error.retryable());
}

TEST(errors, a_page_in_place_of_an_answer_is_not_understood) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "garbage"})");
    const auto error = thrown_by_adding<imtag::not_understood>(client_of_one_attempt(service));
    EXPECT_EQ(error.status(), imtag::status::not_understood);
    EXPECT_EQ(error.effect(), imtag::effect::possibly_applied);
}

TEST(errors, a_cut_connection_is_a_failure_of_the_network_that_may_have_been_applied) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "cut_after"})");
    const auto error = thrown_by_adding<imtag::network_error>(client_of_one_attempt(service));
    EXPECT_EQ(error.status(), imtag::status::network);
    EXPECT_EQ(error.effect(), imtag::effect::possibly_applied);
    EXPECT_NE(service.user("bob").find("\"b\""), std::string::npos);
}

TEST(errors, a_call_whose_time_is_up_says_what_is_known) {
    auto& service = fresh();
    service.fault("add", R"({"kind": "delay", "delay_ms": 5000})");
    const imtag::client client{service.config().timeout(300ms).max_attempts(1)};
    const auto error = thrown_by_adding<imtag::timeout_error>(client);
    EXPECT_EQ(error.status(), imtag::status::timeout);
    EXPECT_EQ(error.effect(), imtag::effect::possibly_applied);
}

TEST(errors, an_authority_that_is_not_trusted_is_a_failure_of_tls) {
    const emulator service("--tls");
    const auto error = thrown_by_adding<imtag::tls_error>(service.client());
    EXPECT_EQ(error.status(), imtag::status::tls);
    EXPECT_EQ(error.effect(), imtag::effect::not_applied);
}

TEST(errors, settings_that_cannot_be_used_name_the_first) {
    auto& service = fresh();
    const auto error = thrown<imtag::settings_error>(
        [&] { imtag::client client{service.config().region("mars").max_attempts(0)}; });
    EXPECT_EQ(error.status(), imtag::status::settings);
    EXPECT_NE(std::string(error.what()).find("unknown region \"mars\""), std::string::npos) << error.what();
    EXPECT_THROW(imtag::client{imtag::config{}}, imtag::settings_error);
}

TEST(errors, each_setting_is_the_one_that_its_name_says) {
    const auto expect = [](std::string_view words, const imtag::config& settings) {
        const auto error = thrown<imtag::settings_error>([&] { imtag::client client{settings}; });
        EXPECT_NE(std::string_view(error.what()).find(words), std::string::npos) << error.what();
    };
    const emulator& service = fresh();
    expect("\"0\" is not an SDKAppID", service.config().app(0, "administrator"));
    expect("the identifier is empty", service.config().app(1400000000, ""));
    expect("the secret key is empty", service.config().secret_key(""));
    expect("the UserSig is empty", service.config().usersig(""));
    expect("unknown region \"mars\"", service.config().region("mars"));
    expect("the endpoint \"http://example.org\" is plain HTTP", service.config().endpoint("http://example.org"));
    expect("unknown generation \"v5\"", service.config().generation("v5"));
    expect("0 calls per second: set 0.001 to 100000", service.config().calls_per_second(0));
    expect("-1 calls per second: set 0.001 to 100000", service.config().calls_per_second(-1));
    expect("NaN calls per second: set 0.001 to 100000",
           service.config().calls_per_second(std::numeric_limits<double>::quiet_NaN()));
    expect("0.0005 calls per second: set 0.001 to 100000", service.config().calls_per_second(0.0005));
    expect("the timeout is zero", service.config().timeout(0s));
    expect("the timeout is zero", service.config().timeout(-1s));
    expect("the connect timeout is zero", service.config().connect_timeout(0s));
    expect("0 attempts", service.config().max_attempts(0));
    expect("the CA file /nonexistent.pem", service.config().ca_file("/nonexistent.pem"));
    expect("there is no limit \"tag_bites\"", service.config().limit("tag_bites", 50));
    expect("the limit tag_bytes is 0", service.config().limit("tag_bytes", 0));
}

TEST(errors, a_setting_that_is_not_in_the_environment_is_empty) {
    const char* missing = nullptr;
    EXPECT_THROW(imtag::client{fresh().config().endpoint(missing)}, imtag::settings_error);
    EXPECT_THROW(imtag::client{fresh().config().ca_file(missing)}, imtag::settings_error);
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

TEST(errors, a_limit_that_is_set_is_the_limit) {
    auto& service = fresh();
    const imtag::client client{service.config().limit("tag_bytes", 3)};
    const auto error = thrown<imtag::invalid_request>([&] { client.add_tag({{"alice", {"four"}}}); });
    EXPECT_EQ(error.violations().at(0).problem, "4 bytes, at most 3");
}

TEST(errors, a_defect_and_a_status_of_a_later_patch_level_are_errors_too) {
    EXPECT_THROW(imtag::detail::raise(IM_DEFECT, nullptr), imtag::defect);
    EXPECT_EQ(static_cast<int>(thrown<imtag::error>([] { imtag::detail::raise(99, nullptr); }).status()), 99);
}

}  // namespace
