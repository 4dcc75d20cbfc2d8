// Outcomes as the conformance tests compare them.

#ifndef OUTCOME_HPP
#define OUTCOME_HPP

#include <imtag.hpp>
#include <nlohmann/json.hpp>

/// Of a call that was done.
nlohmann::json outcome_of(const imtag::result& done);

/// Of the exception that is being handled; any but the library's goes on.
nlohmann::json outcome_of_exception();

#endif
