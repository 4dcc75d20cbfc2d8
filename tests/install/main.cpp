// The same as main.c, through the header for C++.

#include <cstdio>
#include <imtag.hpp>
#include <string>

int main() {
    const imtag::client client{
        imtag::config{}.app(1400000000, "administrator").secret_key("of-no-app").region("singapore")};
    try {
        client.add_tag({{"xiaojun012", {std::string(51, '1')}}});
    } catch (const imtag::invalid_request& refused) {
        std::printf("%s %s\n", im_version(), refused.what());
        return 0;
    }
    return 1;
}
