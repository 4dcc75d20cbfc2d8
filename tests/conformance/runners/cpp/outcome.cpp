// What a program sees of a call, through the binding alone: the status is that of the exception's class.

#include "outcome.hpp"

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

json failed(const char* status, const imtag::error& error) {
    json violations = json::array(), failures = json::array();
    for (const imtag::violation& it : error.violations())
        violations.push_back(
            {{"place", text(it.place)}, {"problem", text(it.problem)}, {"remedy", text(it.remedy)}});
    for (const imtag::failure& it : error.failures())
        failures.push_back({{"account", text(it.account)},
                            {"code", it.code},
                            {"text", text(it.text)},
                            {"remedy", text(it.remedy)},
                            {"effect", name(it.effect)},
                            {"retryable", it.retryable}});
    return {{"status", status},
            {"error",
             {{"message", error.what()},
              {"remedy", error.remedy()},
              {"code", error.code()},
              {"text", text(error.text())},
              {"effect", name(error.effect())},
              {"retryable", error.retryable()},
              {"attempts", error.attempts()},
              {"attempts_sent", error.attempts_sent()},
              {"request_id", text(error.request_id())},
              {"violations", violations},
              {"failures", failures}}}};
}

}  // namespace

json outcome_of(const imtag::result& done) { return {{"status", "ok"}, {"result", result(done)}}; }

json outcome_of_exception() {
    try {
        throw;
    } catch (const imtag::partial_failure& error) {
        json outcome = failed("partial", error);
        outcome["result"] = result(error.result());
        return outcome;
    } catch (const imtag::invalid_request& error) {
        return failed("invalid", error);
    } catch (const imtag::misuse& error) {
        return failed("misuse", error);
    } catch (const imtag::settings_error& error) {
        return failed("settings", error);
    } catch (const imtag::credentials_error& error) {
        return failed("credentials", error);
    } catch (const imtag::service_error& error) {
        return failed("service", error);
    } catch (const imtag::http_status_error& error) {
        return failed("http_status", error);
    } catch (const imtag::timeout_error& error) {
        return failed("timeout", error);
    } catch (const imtag::cancelled& error) {
        return failed("cancelled", error);
    } catch (const imtag::network_error& error) {
        return failed("network", error);
    } catch (const imtag::tls_error& error) {
        return failed("tls", error);
    } catch (const imtag::not_understood& error) {
        return failed("not_understood", error);
    } catch (const imtag::defect& error) {
        return failed("defect", error);
    }
}
