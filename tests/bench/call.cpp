// libimtag in C++, as a client of `cargo xtask bench call`.

#include "call.h"

#include <imtag.hpp>
#include <optional>
#include <string>
#include <vector>

static std::optional<imtag::client> client;
static std::vector<imtag::user_tags> request;

static void connect_to(const char* endpoint, const char* ca_file) {
    imtag::config config;
    config.app(1400000000, "administrator")
        .secret_key("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")
        .endpoint(endpoint)
        .calls_per_second(100000) // so that no call waits for its turn
        .fresh_start(true);
    if (std::string(endpoint).rfind("https:", 0) == 0)
        config.ca_file(ca_file);
    client.emplace(config);
    for (size_t user = 0; user < user_count; user++) {
        const auto& texts = users[user].tags;
        request.push_back({users[user].account, {texts, texts + tag_count}});
    }
}

static void call() {
    try {
        client->add_tag(request);
    } catch (const imtag::error& error) {
        fail("call", error.what());
    }
}

int main(int argc, char** argv) {
    return measure(argc, argv, connect_to, call);
}
