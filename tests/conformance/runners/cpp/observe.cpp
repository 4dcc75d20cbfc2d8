// What a case that is observed answers too: the figures, and the log's records.

#include "observe.hpp"

using nlohmann::json;

observed::observed() : log_(imtag::log_level::trace, [this](const imtag::log_record& record) {
    static const char* const levels[] = {"", "error", "warn", "info", "debug", "trace"};
    events_.push_back({{"level", levels[static_cast<int>(record.level())]},
                       {"message", record.message()},
                       {"fields", json::parse(record.fields())}});
}) {}

void observed::add(const imtag::stats& stats) {
    for (const imtag::figure figure : stats) {
        std::string name(figure.name);
        if (!figure.labels.empty())
            name.append("{").append(figure.labels).append("}");
        figures_[name] = figure.value;
    }
}

void observed::end(json& outcome) {
    log_.close();
    outcome["stats"] = figures_;
    outcome["events"] = events_;
}
