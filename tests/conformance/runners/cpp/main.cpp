// The conformance runner for C++: a case a line on standard input, its outcome a line on standard output. It makes the
// client and what a case describes, through imtag.hpp alone, and compares nothing.

#include "runner.hpp"
#include "within.hpp"

using nlohmann::json;

namespace {

imtag::result play_call(const imtag::client& client, const json& call, const imtag::call& how) {
    const std::string operation = call.at("operation");
    if (operation == "add")
        return client.add_tag(users(call.at("users")), how);
    if (operation == "remove")
        return client.remove_tag(users(call.at("users")), how);
    if (operation == "replace")
        return client.replace_tags(users(call.at("users")), how);
    if (operation == "get")
        return client.get_tag(texts(call.at("accounts")), how);
    if (operation == "clear")
        return client.clear_tags(texts(call.at("accounts")), how);
    throw std::runtime_error("an operation that this runner does not know: " + operation);
}

json play(const json& scenario) {
    try {
        const imtag::client client{config(scenario.at("settings"))};
        if (scenario.contains("bulk"))
            return play_bulk(client, scenario["bulk"]);
        if (scenario.contains("batcher"))
            return play_batcher(client, scenario["batcher"]);
        const json& call = scenario.at("call");
        return within(call, [&](const imtag::call& how) { return outcome_of(play_call(client, call, how)); });
    } catch (const imtag::error&) {
        return outcome_of_exception();
    }
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);)
        write_line(play(json::parse(line)));
}
