// What a program sees of a call, through the binding alone: the status is that of the exception's class.

#include "runner.hpp"

using nlohmann::json;

namespace {

json text(std::string_view view) { return std::string(view); }

json texts(imtag::list_view<im_str> list) {
    json all = json::array();
    for (std::string_view item : list)
        all.push_back(text(item));
    return all;
}

json result(const imtag::result& done) {
    json users = json::array();
    for (const auto& [account, tags] : done.users())
        users.push_back({{"account", text(account)}, {"tags", texts(tags)}});
    return {{"accounts", done.accounts()},
            {"attempts", done.attempts()},
            {"attempts_sent", done.attempts_sent()},
            {"request_id", text(done.request_id())},
            {"users", users},
            {"unanswered", texts(done.unanswered())}};
}

const char* name(imtag::effect effect) {
    switch (effect) {
        case imtag::effect::not_applied: return "not applied";
        case imtag::effect::possibly_applied: return "possibly applied";
        case imtag::effect::applied: return "applied";
        case imtag::effect::not_read: return "not read";
    }
    return "unknown";
}

const char* name(imtag::status status) {
    switch (status) {
        case imtag::status::ok: return "ok";
        case imtag::status::partial: return "partial";
        case imtag::status::invalid: return "invalid";
        case imtag::status::misuse: return "misuse";
        case imtag::status::settings: return "settings";
        case imtag::status::credentials: return "credentials";
        case imtag::status::service: return "service";
        case imtag::status::http_status: return "http_status";
        case imtag::status::timeout: return "timeout";
        case imtag::status::cancelled: return "cancelled";
        case imtag::status::network: return "network";
        case imtag::status::tls: return "tls";
        case imtag::status::not_understood: return "not_understood";
        case imtag::status::defect: return "defect";
        case imtag::status::full: return "full";
        case imtag::status::closed: return "closed";
        case imtag::status::no_thread: return "no_thread";
    }
    return "unknown";
}

/// The status that the class of the exception stands for that is being handled.
const char* status_of_exception() {
    try {
        throw;
    } catch (const imtag::invalid_request&) {
        return "invalid";
    } catch (const imtag::misuse&) {
        return "misuse";
    } catch (const imtag::settings_error&) {
        return "settings";
    } catch (const imtag::credentials_error&) {
        return "credentials";
    } catch (const imtag::service_error&) {
        return "service";
    } catch (const imtag::http_status_error&) {
        return "http_status";
    } catch (const imtag::timeout_error&) {
        return "timeout";
    } catch (const imtag::cancelled&) {
        return "cancelled";
    } catch (const imtag::network_error&) {
        return "network";
    } catch (const imtag::tls_error&) {
        return "tls";
    } catch (const imtag::not_understood&) {
        return "not_understood";
    } catch (const imtag::full_error&) {
        return "full";
    } catch (const imtag::closed_error&) {
        return "closed";
    } catch (const imtag::no_thread_error&) {
        return "no_thread";
    } catch (const imtag::defect&) {
        return "defect";
    }
}

/// What an error of a call says, and one of a change.
json why(const imtag::error& error) {
    json violations = json::array();
    for (const imtag::violation& it : error.violations())
        violations.push_back(
            {{"place", text(it.place)}, {"problem", text(it.problem)}, {"remedy", text(it.remedy)}});
    return {{"message", error.what()},         {"remedy", error.remedy()},
            {"code", error.code()},            {"text", text(error.text())},
            {"effect", name(error.effect())},  {"retryable", error.retryable()},
            {"violations", violations}};
}

json failed(const char* status, const imtag::error& error) {
    json failures = json::array();
    for (const imtag::failure& it : error.failures())
        failures.push_back({{"account", text(it.account)},
                            {"code", it.code},
                            {"text", text(it.text)},
                            {"remedy", text(it.remedy)},
                            {"effect", name(it.effect)},
                            {"retryable", it.retryable}});
    json all = why(error);
    all["attempts"] = error.attempts();
    all["attempts_sent"] = error.attempts_sent();
    all["request_id"] = text(error.request_id());
    all["failures"] = failures;
    return {{"status", status}, {"error", all}};
}

}  // namespace

json failure_of(const imtag::error& error) {
    json failure = why(error);
    failure["status"] = name(error.status());
    failure["account"] = error.failures().empty() ? "" : text(error.failures().front().account);
    failure["undone"] = json::array();
    for (const std::string_view tag : error.undone())
        failure["undone"].push_back(text(tag));
    return failure;
}

json failure_of_exception() {
    try {
        throw;
    } catch (const imtag::error& error) {
        json failure = failure_of(error);
        failure["status"] = status_of_exception();
        return failure;
    }
}

json with_position(const char* name, const std::map<std::uint64_t, json>& failures) {
    json all = json::array();
    for (const auto& [position, failure] : failures) {
        all.push_back(failure);
        all.back()[name] = position;
    }
    return all;
}

json outcome_of(const imtag::result& done) { return {{"status", "ok"}, {"result", result(done)}}; }

json outcome_of_exception() {
    try {
        throw;
    } catch (const imtag::partial_failure& error) {
        json outcome = failed("partial", error);
        outcome["result"] = result(error.result());
        return outcome;
    } catch (const imtag::error& error) {
        return failed(status_of_exception(), error);
    }
}
