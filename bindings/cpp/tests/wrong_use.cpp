// Programs that must not compile, one for each value of WRONG; CMakeLists.txt has what the compiler should say of each.
// Without WRONG it is the header alone and must compile; so must 0, in C++20.

#include "imtag.hpp"

#include <array>
#include <sstream>
#include <vector>
#if __cplusplus > 201703L
#include <ranges>
#include <span>
#endif

#ifdef WRONG
/// A text that owns its bytes and needs no destructor.
struct fixed {
    char bytes[32];
    std::size_t length;
    operator std::string_view() const { return {bytes, length}; }
};

struct row {
    char account[33];
    std::vector<std::string>& tags;
};

/// Makes its elements as it is iterated, any number of times.
template <class Element>
struct made {
    struct iterator {
        using iterator_category = std::forward_iterator_tag;
        using value_type = Element;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = Element;
        Element operator*() const;
        iterator& operator++();
        bool operator!=(iterator) const;
    };
    iterator begin() const;
    iterator end() const;
};

[[maybe_unused]] static void wrong(const imtag::client& client) {
#if WRONG == 0
    const std::vector<std::string> names{"alice", "bob"};
    static_cast<void>(client.bulk(names | std::views::transform([](const auto& name) {
                                      return imtag::change::add(name, std::views::single(std::string("vip")));
                                  }),
                                  [](const imtag::outcome&) {}));
    client.clear_tags(names | std::views::transform([](const auto& name) { return std::string_view(name); }));
    client.clear_tags(names | std::views::filter([](const auto& name) { return !name.empty(); }) | std::views::take(1));
    client.add_tag(names | std::views::transform([&](const auto& name) {
                       return std::pair<std::string_view, std::span<const std::string>>(name, names);
                   }));
    client.add_tag(names | std::views::transform([&](const auto& name) { return std::tie(name, names); }));
    const imtag::result read = client.get_tag({"alice"});
    client.add_tag(read.users() | std::views::take(1));
#elif WRONG == 1
    client.add_tag(7);
#elif WRONG == 2
    client.add_tag(std::vector<std::string>{"alice"});
#elif WRONG == 3
    std::vector<std::string> tags{"a"};
    client.add_tag({{"alice", tags}});
#elif WRONG == 4
    client.clear_tags(std::string("alice"));
#elif WRONG == 5
    imtag::config{}.credential_callback([] { return 7; });
#elif WRONG == 6
    client.add_tag(made<imtag::user_tags>{});
#elif WRONG == 7
    for (const auto& user : client.get_tag({"alice"}).users())
        static_cast<void>(user);
#elif WRONG == 8
    struct once : std::vector<imtag::user_tags> {
        struct iterator : std::vector<imtag::user_tags>::const_iterator {
            using iterator_category = std::input_iterator_tag;
        };
        iterator begin() const { return {}; }
        iterator end() const { return {}; }
        void data() const;
    };
    client.add_tag(once{});
#elif WRONG == 9
    client.clear_tags(made<fixed>{});
#elif WRONG == 10
    client.add_tag(made<row>{});
#elif WRONG == 11
    client.add_tag(made<std::pair<std::string_view, std::array<fixed, 2>>>{});
#elif WRONG == 12
    struct without_category : std::vector<std::string> {
        struct iterator {
            const std::string& operator*() const;
            iterator& operator++();
            bool operator!=(iterator) const;
        };
        iterator begin() const;
        iterator end() const;
        void data() const;
    };
    client.clear_tags(without_category{});
#elif WRONG == 13
    std::istringstream words("alice bob");
    auto accounts = std::views::istream<std::string>(words);
    client.clear_tags(accounts);
#elif WRONG == 14
    const std::vector<int> numbers{1, 2};
    client.clear_tags(numbers | std::views::transform([](int number) { return std::to_string(number); }));
#elif WRONG == 15
    static_cast<void>(client.bulk(std::vector<imtag::user_tags>(), [](const imtag::outcome&) {}));
#elif WRONG == 16
    imtag::change::add("alice", "vip");
#elif WRONG == 17
    static_cast<void>(client.bulk(std::vector<imtag::change>(), [](int) {}));
#elif WRONG == 18
    imtag::bulk_options{}.progress([] {});
#elif WRONG == 19
    imtag::batcher{client}.add_tag("alice", made<std::string>{});
#elif WRONG == 20
    imtag::log(imtag::log_level::info, [](int) {});
#endif
}
#endif

int main() {}
