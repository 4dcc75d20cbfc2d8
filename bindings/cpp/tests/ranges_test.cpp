// A request is made from any range, and allocates no more than the C interface does.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <forward_list>
#include <list>
#include <map>
#include <new>
#include <set>
#include <unordered_map>

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

// Counts what C++ allocates; the library allocates by itself.
void* operator new(std::size_t size) {
    ++allocations;
    if (void* memory = std::malloc(size))
        return memory;
    throw std::bad_alloc();
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    ++allocations;
    const auto align = static_cast<std::size_t>(alignment);
    if (void* memory = std::aligned_alloc(align, (size + align - 1) / align * align))
        return memory;
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

template <class Act>
std::size_t allocations_of(Act act) {
    const std::size_t before = allocations;
    act();
    return allocations - before;
}

/// Expects that a range of alice with a and b, and bob with c, arrives as it is.
template <class Users>
void expect_arrives(Users&& users) {
    auto& service = fresh();
    EXPECT_EQ(service.client().add_tag(users).accounts(), 2u);
    const std::string requests = service.requests();
    for (const std::string account : {"alice", "bob"})
        EXPECT_NE(requests.find(account), std::string::npos) << requests;
    EXPECT_NE(service.user("alice").find(R"(["a","b"])"), std::string::npos) << service.user("alice");
    EXPECT_NE(service.user("bob").find(R"(["c"])"), std::string::npos) << service.user("bob");
}

struct row {
    const char* account;
    std::list<std::string> tags;
    int age;
};

/// Makes views as it is iterated, as std::views::transform does.
struct made_when_iterated {
    struct iterator {
        using iterator_category = std::input_iterator_tag;
        using iterator_concept = std::forward_iterator_tag;
        using value_type = std::pair<std::string_view, std::array<std::string_view, 1>>;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = value_type;
        int at;
        value_type operator*() const { return at == 0 ? value_type{"alice", {"a"}} : value_type{"bob", {"c"}}; }
        iterator& operator++() { return ++at, *this; }
        bool operator!=(iterator other) const { return at != other.at; }
    };
    iterator begin() { return {0}; }  // not const: some views cannot be iterated when const
    iterator end() { return {2}; }
};

TEST(ranges, containers_of_pairs_tuples_and_members_arrive) {
    using namespace std::literals;
    expect_arrives(std::map<std::string, std::vector<std::string>>{{"alice", {"a", "b"}}, {"bob", {"c"}}});
    expect_arrives(std::unordered_map<std::string_view, std::set<std::string>>{{"alice", {"a", "b"}}, {"bob", {"c"}}});
    expect_arrives(std::vector<std::pair<std::string, std::set<std::string>>>{{"alice", {"a", "b"}}, {"bob", {"c"}}});
    expect_arrives(std::vector<imtag::user_tags>{{"alice", {"a", "b"}}, {"bob", {"c"}}});
    expect_arrives(std::list<std::tuple<const char*, std::forward_list<const char*>>>{{"alice", {"a", "b"}},
                                                                                     {"bob", {"c"}}});
    expect_arrives(std::vector<row>{{"alice", {"a", "b"}, 30}, {"bob", {"c"}, 31}});
    const row rows[] = {{"alice", {"a", "b"}, 30}, {"bob", {"c"}, 31}};
    expect_arrives(rows);
    const std::string alice = "alice", bob = "bob";
    const std::vector<std::string> ab{"a", "b"}, c{"c"};
    expect_arrives(std::array{std::tie(alice, ab), std::tie(bob, c)});
}

TEST(ranges, a_range_that_makes_views_as_it_is_iterated_arrives) {
    auto& service = fresh();
    made_when_iterated users;
    EXPECT_EQ(service.client().add_tag(users).accounts(), 2u);
    EXPECT_NE(service.user("bob").find(R"(["c"])"), std::string::npos);
}

/// Returns users by value, whose account and tags are elsewhere.
template <class User>
struct users_by_value {
    struct iterator : std::vector<User>::const_iterator {
        using base = typename std::vector<User>::const_iterator;
        using reference = User;
        explicit iterator(base at) : base(at) {}
        User operator*() const { return base::operator*(); }
    };
    auto begin() const { return iterator(users.begin()); }
    auto end() const { return iterator(users.end()); }
    std::vector<User> users;
};

TEST(ranges, users_returned_by_value_arrive_if_they_are_references_or_views) {
    const std::string alice = "alice", bob = "bob";
    const std::vector<std::string> ab{"a", "b"}, c{"c"};
    using references = std::tuple<const std::string&, const std::vector<std::string>&>;
    expect_arrives(users_by_value<references>{{references(alice, ab), references(bob, c)}});
    using views = std::pair<const char*, std::vector<std::string_view>>;
    expect_arrives(users_by_value<views>{{{"alice", {"a", "b"}}, {"bob", {"c"}}}});
    const im_str tags[] = {IM_STR("a"), IM_STR("b"), IM_STR("c")};
    using listed = imtag::list_view<im_str>;
    expect_arrives(users_by_value<imtag::user_view>{{{"alice", listed(tags, 2)}, {"bob", listed(tags + 2, 1)}}});
}

TEST(ranges, items_of_the_c_interface_are_passed_on) {
    const im_str ab[] = {IM_STR("a"), IM_STR("b")};
    const im_str c = IM_STR("c");
    const im_user_tags users[] = {{IM_STR("alice"), ab, 2}, {IM_STR("bob"), &c, 1}};
    expect_arrives(users);
    expect_arrives(std::vector<im_user_tags>(users, users + 2));
    expect_arrives(imtag::list_view<im_user_tags>(users, 2));
}

TEST(ranges, accounts_are_any_range_of_texts) {
    const imtag::client client = fresh().client();
    EXPECT_EQ(client.clear_tags(std::vector<std::string>{"alice", "bob"}).accounts(), 2u);
    EXPECT_EQ(client.clear_tags(std::set<std::string_view>{"alice", "bob"}).accounts(), 2u);
    EXPECT_EQ(client.clear_tags(std::array{"alice", "bob"}).accounts(), 2u);
    EXPECT_EQ(client.clear_tags(std::array{imtag::str("alice"), imtag::str(std::string_view("bob"))}).accounts(), 2u);
    const std::string alice = "alice";
    EXPECT_EQ(client.clear_tags({alice, "bob"}).accounts(), 2u);
}

TEST(ranges, every_operation_takes_them) {
    const imtag::client client{fresh().config().generation("timpush")};
    const imtag::call call;
    const std::vector<imtag::user_tags> ab{{"alice", {"a", "b"}}}, c{{"alice", {"c"}}};
    const std::vector<std::string> alice{"alice"};
    const auto tags = [&] {
        const imtag::result read = client.get_tag(alice, call);
        std::string all;
        for (std::string_view tag : read.users()[0].tags)
            all += tag;
        return all;
    };
    client.add_tag(ab, call);
    EXPECT_EQ(tags(), "ab");
    client.replace_tags(c, call);
    EXPECT_EQ(tags(), "c");
    client.remove_tag(c, call);
    EXPECT_EQ(tags(), "");
    client.add_tag(ab);
    client.clear_tags(alice, call);
    EXPECT_EQ(tags(), "");
    call.cancel();
    EXPECT_THROW(client.add_tag(ab, call), imtag::cancelled);
    EXPECT_THROW(client.remove_tag(ab, call), imtag::cancelled);
    EXPECT_THROW(client.replace_tags(ab, call), imtag::cancelled);
    EXPECT_THROW(client.clear_tags(alice, call), imtag::cancelled);
    EXPECT_THROW(tags(), imtag::cancelled);
}

TEST(ranges, lists_and_arrays_allocate_nothing) {
    const imtag::client client = fresh().client();
    const imtag::call call;
    const std::string account = "an account that is too long to be kept within a string";
    const im_str tag = IM_STR("a");
    const im_user_tags users[] = {{IM_STR("alice"), &tag, 1}};
    EXPECT_EQ(allocations_of([&] { client.add_tag({{"alice", {"a", "b"}}, {"bob", {"c"}}}, call); }), 0u);
    EXPECT_EQ(allocations_of([&] { client.remove_tag(users, call); }), 0u);
    EXPECT_EQ(allocations_of([&] { client.clear_tags({"alice", "bob"}); }), 0u);
    EXPECT_EQ(allocations_of([&] { client.clear_tags(std::array{IM_STR("alice")}); }), 0u);
    EXPECT_EQ(allocations_of([&] {
                  std::size_t seen = 0;
                  const imtag::result read = client.get_tag({"alice"});
                  for (auto [name, tags] : read.users())
                      seen += name.size() + tags.size();
                  EXPECT_EQ(seen, 5u);
              }),
              0u);
}

TEST(ranges, a_small_request_allocates_nothing_and_a_full_one_twice_at_most) {
    const imtag::client client = fresh().client();
    std::map<std::string, std::vector<std::string>> users;
    const auto grow = [&](int count) {
        for (int i = static_cast<int>(users.size()); i < count; ++i)
            users["user" + std::to_string(i)] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    };
    grow(8);
    EXPECT_EQ(allocations_of([&] { client.add_tag(users); }), 0u);
    grow(100);
    EXPECT_LE(allocations_of([&] { client.add_tag(users); }), 2u);
    std::vector<std::string> accounts;
    for (const auto& [account, tags] : users)
        accounts.push_back(account);
    EXPECT_LE(allocations_of([&] { client.clear_tags(accounts); }), 1u);
}

}  // namespace
