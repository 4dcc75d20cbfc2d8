// Programs that must not compile, one for each value of WRONG; what the compiler should say stands beside
// each in CMakeLists.txt. Without WRONG it must compile, as it is then the header alone.

#include "imtag.hpp"

#include <vector>

#ifdef WRONG
[[maybe_unused]] static void wrong(const imtag::client& client) {
#if WRONG == 1
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
    struct made {
        struct iterator {
            imtag::user_tags operator*() const { return {}; }
            iterator& operator++() { return *this; }
            bool operator!=(iterator) const { return false; }
        };
        iterator begin() const { return {}; }
        iterator end() const { return {}; }
    };
    client.add_tag(made{});
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
#endif
}
#endif

int main() {}
