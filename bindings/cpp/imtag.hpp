// libimtag for C++17: tags for the users of Tencent Chat, from a backend. Header only, over the C interface imtag.h:
// this marshals, and the library decides.
//
//     imtag::client client{imtag::config{}.app(1400000000, "administrator").secret_key(key).region("singapore")};
//     client.add_tag({{"xiaojun012", {"a", "b"}}, {"xiaojun013", {"a", "b"}}});
//
// Conventions
//
// - Texts are UTF-8: literals, std::string, std::string_view, im_str. An argument is borrowed until the call returns;
//   only a change copies and owns its texts. A null pointer is the empty text. Bytes that are not UTF-8 are an error.
// - Every failure is an exception derived from imtag::error, also a partial success: failures() names each account that
//   failed, and result() says what was done. In a bulk run a change that fails is an outcome, and the run throws only
//   if it ends early. Other exceptions are std::bad_alloc, imtag::version_mismatch, and those of a program's own range
//   or function.
// - Handles (client, config, call, result, batcher, log) are moved, not copied, and free themselves. After a move they throw
//   imtag::misuse or do nothing; none crashes.
// - Any number of threads may use a client, a batcher, a result or an error at once. A config is for one thread at a
//   time, a call for one operation at a time, except cancel(), which any thread may call.
// - After fork() a child may use its parent's clients: it has connections of its own. A batcher or a log is its
//   parent's: misuse. Nothing here may be called from a signal handler.
// - Times are std::chrono::milliseconds, to which seconds and minutes convert. Secrets (the key, the UserSig) are in no
//   message and no log.

#ifndef IMTAG_HPP
#define IMTAG_HPP

// The include of a missing file ends the compilation with this one error; after #error the program's own would follow.
#if __cplusplus < 201703L
#include "imtag.hpp needs C++17 or newer: compile with -std=c++17"
#elif !defined(__cpp_exceptions)
#include "imtag.hpp needs exceptions: compile without -fno-exceptions, or use the C interface, imtag.h"
#else
#include "imtag/batcher.hpp"
#include "imtag/bulk.hpp"
#include "imtag/call.hpp"
#include "imtag/cancel.hpp"
#include "imtag/change.hpp"
#include "imtag/client.hpp"
#include "imtag/config.hpp"
#include "imtag/error.hpp"
#include "imtag/log.hpp"
#include "imtag/request.hpp"
#include "imtag/result.hpp"
#include "imtag/stats.hpp"
#include "imtag/summary.hpp"
#include "imtag/text.hpp"
#include "imtag/version.hpp"
#include "imtag/watch.hpp"
#endif

#endif
