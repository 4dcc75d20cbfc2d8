// What a case says, done through the binding: each is the outcome, or throws why nothing could be made.

#ifndef PLAY_HPP
#define PLAY_HPP

#include <imtag.hpp>
#include <nlohmann/json.hpp>

nlohmann::json play_bulk(const imtag::client& client, const nlohmann::json& bulk);
nlohmann::json play_batcher(const imtag::client& client, const nlohmann::json& batcher);

#endif
