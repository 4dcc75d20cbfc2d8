/*
 * The C interface as programs rely on it that were built with imtag.h: numbers, types, layouts, functions. A compiler
 * holds the header to these lines, in C and in C++, and links each function; a test holds that each name of the header
 * and each symbol of the library has a line.
 *
 * Written by hand. What is new needs a line here, in the header's order. To change or to remove a line breaks programs:
 * once a version with this SONAME is released, that needs a new minor version, which has a SONAME of its own. Below 1.0
 * it is libimtag.so.0.MINOR.
 *
 * Sizes and offsets are bytes on 64-bit machines.
 */

#include <imtag.h>

#include <assert.h>
#include <stdalign.h>

#ifdef __cplusplus
#include <type_traits>
#define HAS_TYPE(it, ...) (std::is_same<std::decay<decltype(it)>::type, __VA_ARGS__>::value)
#else
#define HAS_TYPE(it, ...) _Generic((it), __VA_ARGS__: 1, default: 0)
#endif

/* Each makes a symbol, recorded_..., by which the test knows the name. */

/* A macro and its value. */
#define NUMBER(name, value)                                                                                            \
    char recorded_##name;                                                                                              \
    static_assert(name == (value), #name " is no longer " #value)

/* Another name of a type. */
#define TYPE(name, ...)                                                                                                \
    char recorded_##name;                                                                                              \
    static_assert(HAS_TYPE((name)0, __VA_ARGS__), #name " is no longer " #__VA_ARGS__)

/* A struct that only the library knows: here it is another one, which does not compile if the header has it too. */
#define HANDLE(name)                                                                                                   \
    char recorded_##name;                                                                                              \
    struct name {                                                                                                      \
        char only_the_library_knows;                                                                                   \
    }

/* A struct that programs know, and each of its fields. */
#define STRUCT(name, size, align)                                                                                      \
    char recorded_##name;                                                                                              \
    static_assert(sizeof(name) == (size), #name " has no longer " #size " bytes");                                     \
    static_assert(alignof(name) == (align), #name " is no longer aligned to " #align)
#define FIELD(name, field, offset, ...)                                                                                \
    static_assert(offsetof(name, field) == (offset), #name "." #field " is no longer at " #offset);                    \
    static_assert(HAS_TYPE(((name *)0)->field, __VA_ARGS__), #name "." #field " is no longer " #__VA_ARGS__)

/* A function of the library: a pointer with the type that it had. */
#define FUNCTION(returns, name, ...) returns(*recorded_##name) __VA_ARGS__ = name

static_assert(IM_VERSION_MAJOR == 0 && IM_VERSION_MINOR == 1,
              "another minor version is another interface, with a SONAME of its own: put its numbers here");

HANDLE(im_batcher);
HANDLE(im_bulk);
HANDLE(im_call);
HANDLE(im_client);
HANDLE(im_completions);
HANDLE(im_config);
HANDLE(im_credential);
HANDLE(im_error);
HANDLE(im_log);
HANDLE(im_log_record);
HANDLE(im_result);
HANDLE(im_stats);

TYPE(im_status, int32_t);
TYPE(im_credential_callback, void (*)(void *, im_credential *));
TYPE(im_context_free, void (*)(void *));
TYPE(im_interrupt, int32_t (*)(void *));
TYPE(im_effect, int32_t);
TYPE(im_progress, int32_t (*)(const im_bulk *, void *));
TYPE(im_count, int32_t);
TYPE(im_operation, int32_t);
TYPE(im_when_full, int32_t);
TYPE(im_retry, int32_t);
TYPE(im_log_level, int32_t);

STRUCT(im_str, 16, 8);
FIELD(im_str, data, 0, const char *);
FIELD(im_str, len, 8, size_t);
STRUCT(im_user_tags, 32, 8);
FIELD(im_user_tags, account, 0, im_str);
FIELD(im_user_tags, tags, 16, const im_str *);
FIELD(im_user_tags, tag_count, 24, size_t);

NUMBER(IM_OK, 0);
NUMBER(IM_PARTIAL, 1);
NUMBER(IM_INVALID, 2);
NUMBER(IM_MISUSE, 3);
NUMBER(IM_SETTINGS, 4);
NUMBER(IM_CREDENTIALS, 5);
NUMBER(IM_SERVICE, 6);
NUMBER(IM_HTTP_STATUS, 7);
NUMBER(IM_TIMEOUT, 8);
NUMBER(IM_CANCELLED, 9);
NUMBER(IM_NETWORK, 10);
NUMBER(IM_TLS, 11);
NUMBER(IM_NOT_UNDERSTOOD, 12);
NUMBER(IM_DEFECT, 13);
NUMBER(IM_FULL, 14);
NUMBER(IM_CLOSED, 15);
NUMBER(IM_NO_THREAD, 16);

NUMBER(IM_NOT_APPLIED, 0);
NUMBER(IM_POSSIBLY_APPLIED, 1);
NUMBER(IM_APPLIED, 2);
NUMBER(IM_NOT_READ, 3);

NUMBER(IM_RETRY_NEVER, 0);
NUMBER(IM_RETRY_BACKOFF, 1);
NUMBER(IM_RETRY_AFTER_WINDOW, 2);
NUMBER(IM_RETRY_ONCE_LATER, 3);
NUMBER(IM_RETRY_NEW_USERSIG, 4);

NUMBER(IM_COUNT_TAKEN, 1);
NUMBER(IM_COUNT_DONE, 2);
NUMBER(IM_COUNT_FAILED, 3);
NUMBER(IM_COUNT_REQUESTS, 4);
NUMBER(IM_COUNT_ATTEMPTS, 5);
NUMBER(IM_COUNT_ATTEMPTS_SENT, 6);
NUMBER(IM_COUNT_SPLITS, 7);
NUMBER(IM_COUNT_TIMPUSH_WOULD_SAVE, 8);
NUMBER(IM_COUNT_ELAPSED_MS, 9);

NUMBER(IM_ADD, 1);
NUMBER(IM_REMOVE, 2);
NUMBER(IM_CLEAR, 3);
NUMBER(IM_REPLACE, 4);

NUMBER(IM_WAIT, 1);
NUMBER(IM_FAIL, 2);
NUMBER(IM_SIGNAL, 3);

NUMBER(IM_LOG_ERROR, 1);
NUMBER(IM_LOG_WARN, 2);
NUMBER(IM_LOG_INFO, 3);
NUMBER(IM_LOG_DEBUG, 4);
NUMBER(IM_LOG_TRACE, 5);

FUNCTION(im_str, im_str_from, (const char *));
FUNCTION(const char *, im_version, (void));
FUNCTION(bool, im_explain, (int32_t, im_str *, im_str *, im_retry *, im_effect *));

FUNCTION(im_config *, im_config_new, (void));
FUNCTION(im_status, im_config_set_app, (im_config *, uint32_t, im_str));
FUNCTION(im_status, im_config_set_secret_key, (im_config *, im_str));
FUNCTION(im_status, im_config_set_usersig, (im_config *, im_str));
FUNCTION(im_status, im_config_set_credential_callback, (im_config *, im_credential_callback, void *, im_context_free));
FUNCTION(im_status, im_config_set_region, (im_config *, im_str));
FUNCTION(im_status, im_config_set_endpoint, (im_config *, im_str));
FUNCTION(im_status, im_config_set_spare_endpoint, (im_config *, im_str));
FUNCTION(im_status, im_config_set_proxy, (im_config *, im_str));
FUNCTION(im_status, im_config_set_generation, (im_config *, im_str));
FUNCTION(im_status, im_config_set_calls_per_second, (im_config *, double));
FUNCTION(im_status, im_config_set_fresh_start, (im_config *, int32_t));
FUNCTION(im_status, im_config_set_connect_timeout_ms, (im_config *, uint64_t));
FUNCTION(im_status, im_config_set_timeout_ms, (im_config *, uint64_t));
FUNCTION(im_status, im_config_set_max_attempts, (im_config *, uint32_t));
FUNCTION(im_status, im_config_set_roots, (im_config *, im_str));
FUNCTION(im_status, im_config_set_ca_file, (im_config *, im_str));
FUNCTION(im_status, im_config_set_limit, (im_config *, im_str, size_t));
FUNCTION(void, im_config_free, (im_config *));

FUNCTION(im_status, im_client_new, (const im_config *, im_client **, im_error **));
FUNCTION(void, im_client_free, (im_client *));
FUNCTION(im_status, im_client_stats, (const im_client *, im_stats **, im_error **));
FUNCTION(im_status, im_config_from_env, (im_str, im_config **, im_error **));
FUNCTION(im_config *, im_config_copy, (const im_config *));
FUNCTION(size_t, im_config_warning_count, (const im_config *));
FUNCTION(const char *, im_config_warning, (const im_config *, size_t));
FUNCTION(im_status, im_credential_set, (im_credential *, im_str, uint64_t, im_error **));
FUNCTION(im_status, im_credential_refuse, (im_credential *, im_str));
FUNCTION(im_status, im_add_tag, (const im_client *, const im_user_tags *, size_t, im_call *, im_result **,
                                 im_error **));
FUNCTION(im_status, im_remove_tag, (const im_client *, const im_user_tags *, size_t, im_call *, im_result **,
                                    im_error **));
FUNCTION(im_status, im_replace_tags, (const im_client *, const im_user_tags *, size_t, im_call *, im_result **,
                                      im_error **));

FUNCTION(const im_user_tags *, im_result_users, (const im_result *, size_t *));
FUNCTION(const im_str *, im_result_unanswered, (const im_result *, size_t *));

FUNCTION(im_status, im_get_tag, (const im_client *, const im_str *, size_t, im_call *, im_result **, im_error **));
FUNCTION(im_status, im_clear_tags, (const im_client *, const im_str *, size_t, im_call *, im_result **, im_error **));
FUNCTION(im_status, im_add_tag_flat, (const im_client *, const char *, size_t, const size_t *, size_t, const size_t *,
                                      size_t, im_call *, im_result **, im_error **));
FUNCTION(im_status, im_remove_tag_flat, (const im_client *, const char *, size_t, const size_t *, size_t,
                                         const size_t *, size_t, im_call *, im_result **, im_error **));
FUNCTION(im_status, im_replace_tags_flat, (const im_client *, const char *, size_t, const size_t *, size_t,
                                           const size_t *, size_t, im_call *, im_result **, im_error **));
FUNCTION(im_status, im_get_tag_flat, (const im_client *, const char *, size_t, const size_t *, size_t, im_call *,
                                      im_result **, im_error **));
FUNCTION(im_status, im_clear_tags_flat, (const im_client *, const char *, size_t, const size_t *, size_t, im_call *,
                                         im_result **, im_error **));

FUNCTION(im_call *, im_call_new, (void));
FUNCTION(im_status, im_call_set_timeout_ms, (im_call *, uint64_t));
FUNCTION(im_status, im_call_set_attempt_timeout_ms, (im_call *, uint64_t));
FUNCTION(im_status, im_call_set_interrupt, (im_call *, im_interrupt, void *));
FUNCTION(void, im_call_cancel, (const im_call *));
FUNCTION(void, im_call_free, (im_call *));

FUNCTION(size_t, im_result_accounts, (const im_result *));
FUNCTION(uint32_t, im_result_attempts, (const im_result *));
FUNCTION(uint32_t, im_result_attempts_sent, (const im_result *));
FUNCTION(im_str, im_result_request_id, (const im_result *));
FUNCTION(void, im_result_free, (im_result *));

FUNCTION(im_status, im_error_status, (const im_error *));
FUNCTION(const char *, im_error_message, (const im_error *));
FUNCTION(const char *, im_error_remedy, (const im_error *));
FUNCTION(int32_t, im_error_code, (const im_error *));
FUNCTION(im_str, im_error_text, (const im_error *));
FUNCTION(im_effect, im_error_effect, (const im_error *));
FUNCTION(bool, im_error_retryable, (const im_error *));
FUNCTION(uint32_t, im_error_attempts, (const im_error *));
FUNCTION(uint32_t, im_error_attempts_sent, (const im_error *));
FUNCTION(im_str, im_error_request_id, (const im_error *));
FUNCTION(size_t, im_error_violation_count, (const im_error *));
FUNCTION(const char *, im_error_violation_place, (const im_error *, size_t));
FUNCTION(const char *, im_error_violation_problem, (const im_error *, size_t));
FUNCTION(const char *, im_error_violation_remedy, (const im_error *, size_t));
FUNCTION(size_t, im_error_failure_count, (const im_error *));
FUNCTION(im_str, im_error_failure_account, (const im_error *, size_t));
FUNCTION(int32_t, im_error_failure_code, (const im_error *, size_t));
FUNCTION(im_str, im_error_failure_text, (const im_error *, size_t));
FUNCTION(const char *, im_error_failure_remedy, (const im_error *, size_t));
FUNCTION(im_effect, im_error_failure_effect, (const im_error *, size_t));
FUNCTION(bool, im_error_failure_retryable, (const im_error *, size_t));
FUNCTION(size_t, im_error_undone_count, (const im_error *));
FUNCTION(im_str, im_error_undone, (const im_error *, size_t));
FUNCTION(void, im_error_free, (im_error *));

FUNCTION(im_status, im_bulk_new, (const im_client *, im_bulk **, im_error **));
FUNCTION(im_status, im_bulk_set_timeout_ms, (im_bulk *, uint64_t));
FUNCTION(im_status, im_bulk_set_attempt_timeout_ms, (im_bulk *, uint64_t));
FUNCTION(im_status, im_bulk_set_late_window_ms, (im_bulk *, uint64_t));
FUNCTION(im_status, im_bulk_set_linger_ms, (im_bulk *, uint64_t));
FUNCTION(im_status, im_bulk_set_capacity, (im_bulk *, size_t));
FUNCTION(im_status, im_bulk_set_progress, (im_bulk *, im_progress, void *));
FUNCTION(im_status, im_bulk_add_tag, (im_bulk *, uint64_t, im_str, const im_str *, size_t, im_error **));
FUNCTION(im_status, im_bulk_remove_tag, (im_bulk *, uint64_t, im_str, const im_str *, size_t, im_error **));
FUNCTION(im_status, im_bulk_clear_tags, (im_bulk *, uint64_t, im_str, im_error **));
FUNCTION(im_status, im_bulk_replace_tags, (im_bulk *, uint64_t, im_str, const im_str *, size_t, im_error **));
FUNCTION(im_status, im_bulk_push_flat, (im_bulk *, const im_operation *, uint64_t, const char *, size_t, const size_t *,
                                        size_t, const size_t *, size_t, size_t *, im_error **));
FUNCTION(im_status, im_bulk_end_of_input, (im_bulk *, im_error **));
FUNCTION(im_status, im_bulk_poll, (im_bulk *, uint64_t, im_completions **, im_error **));
FUNCTION(im_status, im_bulk_finish, (im_bulk *, im_error **));
FUNCTION(uint64_t, im_bulk_count, (const im_bulk *, im_count));
FUNCTION(im_status, im_bulk_stats, (const im_bulk *, im_stats **, im_error **));
FUNCTION(void, im_bulk_cancel, (const im_bulk *));
FUNCTION(void, im_bulk_free, (im_bulk *));

FUNCTION(im_status, im_batcher_new, (const im_client *, im_batcher **, im_error **));
FUNCTION(im_status, im_batcher_set_linger_ms, (im_batcher *, uint64_t));
FUNCTION(im_status, im_batcher_set_capacity, (im_batcher *, size_t));
FUNCTION(im_status, im_batcher_set_when_full, (im_batcher *, im_when_full));
FUNCTION(im_status, im_batcher_set_timeout_ms, (im_batcher *, uint64_t));
FUNCTION(im_status, im_batcher_set_attempt_timeout_ms, (im_batcher *, uint64_t));
FUNCTION(im_status, im_batcher_set_late_window_ms, (im_batcher *, uint64_t));
FUNCTION(im_status, im_batcher_add_tag, (im_batcher *, im_str, const im_str *, size_t, im_call *, im_error **));
FUNCTION(im_status, im_batcher_remove_tag, (im_batcher *, im_str, const im_str *, size_t, im_call *, im_error **));
FUNCTION(im_status, im_batcher_clear_tags, (im_batcher *, im_str, im_call *, im_error **));
FUNCTION(im_status, im_batcher_replace_tags, (im_batcher *, im_str, const im_str *, size_t, im_call *, im_error **));
FUNCTION(im_status, im_batcher_submit_add_tag, (im_batcher *, uint64_t, im_str, const im_str *, size_t, im_error **));
FUNCTION(im_status, im_batcher_submit_remove_tag, (im_batcher *, uint64_t, im_str, const im_str *, size_t,
                                                   im_error **));
FUNCTION(im_status, im_batcher_submit_clear_tags, (im_batcher *, uint64_t, im_str, im_error **));
FUNCTION(im_status, im_batcher_submit_replace_tags, (im_batcher *, uint64_t, im_str, const im_str *, size_t,
                                                     im_error **));
FUNCTION(im_status, im_batcher_submit_flat, (im_batcher *, im_operation, uint64_t, const char *, size_t,
                                             const size_t *, size_t, uint64_t, im_error **));
FUNCTION(im_status, im_batcher_refuse_flat, (const im_batcher *, im_status, im_operation, const char *, size_t,
                                             const size_t *, size_t, im_error **));
FUNCTION(im_status, im_batcher_poll, (im_batcher *, uint64_t, im_completions **, im_error **));
FUNCTION(im_status, im_batcher_withdraw, (im_batcher *, uint64_t, im_status, im_error **));
FUNCTION(im_status, im_batcher_flush, (im_batcher *, im_call *, im_error **));
FUNCTION(im_status, im_batcher_close, (im_batcher *, im_call *, im_error **));
FUNCTION(size_t, im_batcher_unsettled, (const im_batcher *));
FUNCTION(im_status, im_batcher_stats, (const im_batcher *, im_stats **, im_error **));
FUNCTION(size_t, im_batcher_free, (im_batcher *));

FUNCTION(size_t, im_completions_count, (const im_completions *));
FUNCTION(uint64_t, im_completions_id, (const im_completions *, size_t));
FUNCTION(const im_error *, im_completions_error, (const im_completions *, size_t));
FUNCTION(const uint64_t *, im_completions_ids, (const im_completions *, size_t *));
FUNCTION(const size_t *, im_completions_failed, (const im_completions *, size_t *));
FUNCTION(void, im_completions_free, (im_completions *));

FUNCTION(size_t, im_stats_count, (const im_stats *));
FUNCTION(const char *, im_stats_name, (const im_stats *, size_t));
FUNCTION(const char *, im_stats_labels, (const im_stats *, size_t));
FUNCTION(const char *, im_stats_help, (const im_stats *, size_t));
FUNCTION(bool, im_stats_is_counter, (const im_stats *, size_t));
FUNCTION(double, im_stats_value, (const im_stats *, size_t));
FUNCTION(double, im_stats_get, (const im_stats *, im_str, im_str));
FUNCTION(const char *, im_stats_text, (const im_stats *));
FUNCTION(im_status, im_stats_join,
         (im_str, const im_str *, const im_stats *const *, size_t, im_stats **, im_error **));
FUNCTION(void, im_stats_free, (im_stats *));

FUNCTION(im_status, im_log_new, (im_log_level, size_t, im_log **, im_error **));
FUNCTION(im_status, im_log_next, (im_log *, uint64_t, im_log_record **, im_error **));
FUNCTION(void, im_log_close, (const im_log *));
FUNCTION(void, im_log_free, (im_log *));
FUNCTION(void, im_log_leave_out_thread, (bool));
FUNCTION(im_log_level, im_log_record_level, (const im_log_record *));
FUNCTION(uint64_t, im_log_record_time_us, (const im_log_record *));
FUNCTION(const char *, im_log_record_message, (const im_log_record *));
FUNCTION(const char *, im_log_record_fields, (const im_log_record *));
FUNCTION(void, im_log_record_free, (im_log_record *));

int main(void) {
    return 0;
}
