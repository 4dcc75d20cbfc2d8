// Outcomes as the conformance tests compare them.

#ifndef OUTCOME_HPP
#define OUTCOME_HPP

#include <imtag.hpp>
#include <nlohmann/json.hpp>

#include <map>

/// Of a call that was done.
nlohmann::json outcome_of(const imtag::result& done);

/// Of the exception that is being handled; any but the library's goes on.
nlohmann::json outcome_of_exception();

/// Why a change or a step failed, without its position; of the exception that is being handled, by its class.
nlohmann::json failure_of(const imtag::error& error);
nlohmann::json failure_of_exception();

/// Failures as a list, with the position of each under this name.
nlohmann::json with_position(const char* name, const std::map<std::uint64_t, nlohmann::json>& failures);

#endif
