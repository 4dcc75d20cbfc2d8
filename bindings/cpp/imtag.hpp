// libimtag for C++17: tags for the users of Tencent Chat, from a backend. Header only, over the C interface imtag.h,
// which decides everything; this marshals.
//
//     imtag::client client{imtag::config{}.app(1400000000, "administrator").secret_key(key).region("singapore")};
//     client.add_tag({{"xiaojun012", {"a", "b"}}, {"xiaojun013", {"a", "b"}}});
//
// Conventions
//
// - Texts are UTF-8: literals, std::string, std::string_view, im_str. What is passed in is borrowed until the call
//   returns, and copied by no one but a change, which owns its texts; a null pointer is the empty text. Bytes that are
//   not UTF-8 are an error.
// - Every failure is an exception below imtag::error, also a partial success, whose failures() and result() tell who
//   was left out and what was done. A bulk run tells of each change that failed instead, and throws where it ended
//   early. Only std::bad_alloc and imtag::version_mismatch are thrown beside them, and what a program's own range or
//   function threw.
// - Handles (client, config, call, result, batcher) are moved and not copied, and free what is theirs. Used after a
//   move, they throw imtag::misuse or do nothing; none crashes.
// - A client, a batcher, a result and an error may be used by any number of threads at once; a config by one at a time;
//   a call by one operation at a time, but for cancel(), which any thread may use.
// - After fork() a child may go on with its parent's clients: it has connections of its own. A batcher is its
//   parent's: misuse. Nothing here may be called from a signal handler.
// - Times are std::chrono::milliseconds, to which seconds and minutes convert by themselves. Secrets (the key, the
//   UserSig) are in no message.

#ifndef IMTAG_HPP
#define IMTAG_HPP

#if __cplusplus < 201703L
#error "imtag.hpp needs C++17 or newer: compile with -std=c++17"
#elif !defined(__cpp_exceptions)
#error "imtag.hpp needs exceptions: compile without -fno-exceptions, or use the C interface, imtag.h"
#else
#include "imtag/batcher.hpp"
#include "imtag/bulk.hpp"
#include "imtag/call.hpp"
#include "imtag/cancel.hpp"
#include "imtag/change.hpp"
#include "imtag/client.hpp"
#include "imtag/config.hpp"
#include "imtag/error.hpp"
#include "imtag/request.hpp"
#include "imtag/result.hpp"
#include "imtag/summary.hpp"
#include "imtag/text.hpp"
#include "imtag/version.hpp"
#endif

#endif
