// Each operation does what its name says, and returns what was done.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

namespace {

using texts = std::vector<std::string_view>;

texts of(imtag::list_view<im_str> list) { return texts(list.begin(), list.end()); }

TEST(operations, the_sample_of_the_services_page_tags_two_users) {
    auto& service = fresh();
    imtag::client client{imtag::config{}
                             .app(service.sdkappid, "administrator")
                             .secret_key(service.key)
                             .endpoint(service.endpoint)};
    const imtag::result done = client.add_tag({{"xiaojun012", {"a", "b"}}, {"xiaojun013", {"a", "b"}}});
    EXPECT_EQ(done.accounts(), 2u);
    EXPECT_EQ(done.attempts(), 1u);
    EXPECT_EQ(done.attempts_sent(), 1u);
    EXPECT_FALSE(done.request_id().empty());
    EXPECT_TRUE(done.users().empty());
    EXPECT_TRUE(done.unanswered().empty());
    const imtag::result read = client.get_tag({"xiaojun013"});
    EXPECT_EQ(of(read.users()[0].tags), (texts{"a", "b"}));
}

TEST(operations, cleared_accounts_have_no_tags) {
    const imtag::client client = fresh().client();
    client.add_tag({{"alice", {"a"}}, {"bob", {"b"}}});
    EXPECT_EQ(client.clear_tags({"alice"}).accounts(), 1u);
    const imtag::result read = client.get_tag({"alice", "bob"});
    EXPECT_TRUE(read.users()[0].tags.empty());
    EXPECT_EQ(of(read.users()[1].tags), texts{"b"});
}

TEST(operations, a_result_is_iterated_by_name_and_outlives_its_client) {
    imtag::result read = [] {
        const imtag::client client = fresh().client();
        client.add_tag({{"alice", {"a", "b"}}, {"bob", {"c"}}});
        return client.get_tag({"alice", "bob"});
    }();
    const imtag::result moved = std::move(read);
    std::string seen;
    for (const auto& [account, tags] : moved.users()) {
        seen += std::string(account) + ":";
        for (std::string_view tag : tags)
            seen += " " + std::string(tag);
        seen += "; ";
    }
    EXPECT_EQ(seen, "alice: a b; bob: c; ");
}

TEST(operations, what_was_read_can_be_passed_on_without_a_copy) {
    const imtag::client client = fresh().client();
    client.add_tag({{"alice", {"a", "b"}}, {"bob", {"c"}}});
    const imtag::result read = client.get_tag({"alice", "bob"});
    EXPECT_EQ(client.remove_tag(read.users()).accounts(), 2u);
    const imtag::result again = client.get_tag({"alice"});
    EXPECT_TRUE(again.users()[0].tags.empty());
}

TEST(operations, eight_threads_share_one_client) {
    const imtag::client client = fresh().client();
    std::array<std::thread, 8> threads;
    for (std::size_t i = 0; i < threads.size(); ++i)
        threads[i] = std::thread([&client, i] {
            const std::string account = "user" + std::to_string(i);
            client.add_tag({{account, {"a", account}}});
            client.remove_tag({{account, {"a"}}});
        });
    for (std::thread& thread : threads)
        thread.join();
    const imtag::result read = client.get_tag({"user0", "user7"});
    EXPECT_EQ(of(read.users()[0].tags), texts{"user0"});
    EXPECT_EQ(of(read.users()[1].tags), texts{"user7"});
}

TEST(operations, a_private_authority_is_trusted_by_its_file) {
    const emulator service("--tls");
    EXPECT_EQ(imtag::client(service.config().ca_file(service.ca_file)).add_tag({{"alice", {"a"}}}).accounts(), 1u);
    const std::filesystem::path path = service.ca_file;
    EXPECT_EQ(imtag::client(service.config().ca_file(path)).add_tag({{"alice", {"a"}}}).accounts(), 1u);
}

TEST(explain, a_code_has_a_meaning_a_remedy_and_a_rule) {
    const imtag::explanation known = imtag::explain(60007);
    EXPECT_TRUE(known.known);
    EXPECT_FALSE(known.meaning.empty());
    EXPECT_FALSE(known.remedy.empty());
    EXPECT_EQ(known.retry, imtag::retry::after_window);
    EXPECT_EQ(known.effect, imtag::effect::not_applied);
    const imtag::explanation unknown = imtag::explain(1);
    EXPECT_FALSE(unknown.known);
    EXPECT_EQ(unknown.effect, imtag::effect::possibly_applied);
}

}  // namespace
