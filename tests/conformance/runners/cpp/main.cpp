// The conformance runner for C++: a case a line on standard input, its outcome a line on standard output. It makes the
// client and what a case describes, through imtag.hpp alone, and compares nothing.

#include "observe.hpp"
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

json play_with(const imtag::client& client, const json& scenario, const show_stats& show) {
    if (scenario.contains("bulk"))
        return play_bulk(client, scenario["bulk"], show);
    if (scenario.contains("batcher"))
        return play_batcher(client, scenario["batcher"], show);
    const json& call = scenario.at("call");
    try {
        return within(call, [&](const imtag::call& how) { return outcome_of(play_call(client, call, how)); });
    } catch (const imtag::error&) {
        return outcome_of_exception();
    }
}

/// The outcome; the figures of all that it has made go to `show`.
json outcome_of_case(const json& scenario, const show_stats& show) {
    try {
        const imtag::client client{config(scenario.at("settings"))};
        json outcome = play_with(client, scenario, show);
        show(client.stats());
        return outcome;
    } catch (const imtag::error&) {
        return outcome_of_exception();
    }
}

json play(const json& scenario) {
    if (!scenario.value("observe", false))
        return outcome_of_case(scenario, [](const imtag::stats&) {});
    observed all;
    json outcome = outcome_of_case(scenario, [&all](const imtag::stats& stats) { all.add(stats); });
    all.end(outcome);
    return outcome;
}

}  // namespace

int main() {
    for (std::string line; std::getline(std::cin, line);)
        write_line(play(json::parse(line)));
}
