"""The functions of include/imtag.h that this package calls, with their types. A test compares them with the header."""

from __future__ import annotations

import ctypes
from ctypes import c_bool, c_char_p, c_double, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import Any


class Str(ctypes.Structure):
    """An im_str: bytes, and how many."""

    _fields_ = [("data", c_void_p), ("len", c_size_t)]

    def __str__(self) -> str:
        return ctypes.string_at(self.data, self.len).decode() if self.len else ""


def string(text: bytes) -> Str:
    """Return an im_str of `text`, which must outlive it."""
    return Str(ctypes.cast(c_char_p(text), c_void_p), len(text))


CREDENTIAL_CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
INTERRUPT = ctypes.CFUNCTYPE(c_int32, c_void_p)
# an im_progress without its last argument, which is not read
PROGRESS = ctypes.CFUNCTYPE(c_int32, c_void_p)

IM_TIMEOUT = 8
IM_CANCELLED = 9
FOREVER_MS = 2**64 - 1
"""The greatest time in milliseconds: without a limit."""

_HANDLE = _OUT = _STRINGS = c_void_p
_STATUS = c_int32

_USERS_FLAT = (_HANDLE, c_char_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, _HANDLE, _OUT, _OUT)
_ACCOUNTS_FLAT = (_HANDLE, c_char_p, c_size_t, c_void_p, c_size_t, _HANDLE, _OUT, _OUT)
_CHANGE = (_HANDLE, Str, c_void_p, c_size_t, _HANDLE, _OUT)
_MS = (_STATUS, (_HANDLE, c_uint64))

# name: what it returns, what it takes
PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "im_version": (c_char_p, ()),
    "im_config_new": (_HANDLE, ()),
    "im_config_set_app": (_STATUS, (_HANDLE, c_uint32, Str)),
    "im_config_set_secret_key": (_STATUS, (_HANDLE, Str)),
    "im_config_set_usersig": (_STATUS, (_HANDLE, Str)),
    "im_config_set_credential_callback": (_STATUS, (_HANDLE, CREDENTIAL_CALLBACK, c_void_p, c_void_p)),
    "im_config_set_region": (_STATUS, (_HANDLE, Str)),
    "im_config_set_endpoint": (_STATUS, (_HANDLE, Str)),
    "im_config_set_spare_endpoint": (_STATUS, (_HANDLE, Str)),
    "im_config_set_proxy": (_STATUS, (_HANDLE, Str)),
    "im_config_set_generation": (_STATUS, (_HANDLE, Str)),
    "im_config_set_calls_per_second": (_STATUS, (_HANDLE, c_double)),
    "im_config_set_connect_timeout_ms": (_STATUS, (_HANDLE, c_uint64)),
    "im_config_set_timeout_ms": (_STATUS, (_HANDLE, c_uint64)),
    "im_config_set_max_attempts": (_STATUS, (_HANDLE, c_uint32)),
    "im_config_set_fresh_start": (_STATUS, (_HANDLE, c_int32)),
    "im_config_set_roots": (_STATUS, (_HANDLE, Str)),
    "im_config_set_ca_file": (_STATUS, (_HANDLE, Str)),
    "im_config_set_limit": (_STATUS, (_HANDLE, Str, c_size_t)),
    "im_config_free": (None, (_HANDLE,)),
    "im_config_from_env": (_STATUS, (Str, _OUT, _OUT)),
    "im_config_warning_count": (c_size_t, (_HANDLE,)),
    "im_config_warning": (c_char_p, (_HANDLE, c_size_t)),
    "im_credential_set": (_STATUS, (_HANDLE, Str, c_uint64, _OUT)),
    "im_credential_refuse": (_STATUS, (_HANDLE, Str)),
    "im_client_new": (_STATUS, (_HANDLE, _OUT, _OUT)),
    "im_client_free": (None, (_HANDLE,)),
    "im_client_stats": (_STATUS, (_HANDLE, _OUT, _OUT)),
    "im_add_tag_flat": (_STATUS, _USERS_FLAT),
    "im_remove_tag_flat": (_STATUS, _USERS_FLAT),
    "im_replace_tags_flat": (_STATUS, _USERS_FLAT),
    "im_get_tag_flat": (_STATUS, _ACCOUNTS_FLAT),
    "im_clear_tags_flat": (_STATUS, _ACCOUNTS_FLAT),
    "im_call_new": (_HANDLE, ()),
    "im_call_set_timeout_ms": (_STATUS, (_HANDLE, c_uint64)),
    "im_call_set_attempt_timeout_ms": (_STATUS, (_HANDLE, c_uint64)),
    "im_call_set_interrupt": (_STATUS, (_HANDLE, INTERRUPT, c_void_p)),
    "im_call_cancel": (None, (_HANDLE,)),
    "im_call_free": (None, (_HANDLE,)),
    "im_result_accounts": (c_size_t, (_HANDLE,)),
    "im_result_attempts": (c_uint32, (_HANDLE,)),
    "im_result_attempts_sent": (c_uint32, (_HANDLE,)),
    "im_result_request_id": (Str, (_HANDLE,)),
    "im_result_users": (_STRINGS, (_HANDLE, _OUT)),
    "im_result_unanswered": (_STRINGS, (_HANDLE, _OUT)),
    "im_result_free": (None, (_HANDLE,)),
    "im_error_status": (_STATUS, (_HANDLE,)),
    "im_error_message": (c_char_p, (_HANDLE,)),
    "im_error_remedy": (c_char_p, (_HANDLE,)),
    "im_error_code": (c_int32, (_HANDLE,)),
    "im_error_text": (Str, (_HANDLE,)),
    "im_error_effect": (c_int32, (_HANDLE,)),
    "im_error_retryable": (c_bool, (_HANDLE,)),
    "im_error_attempts": (c_uint32, (_HANDLE,)),
    "im_error_attempts_sent": (c_uint32, (_HANDLE,)),
    "im_error_request_id": (Str, (_HANDLE,)),
    "im_error_violation_count": (c_size_t, (_HANDLE,)),
    "im_error_violation_place": (c_char_p, (_HANDLE, c_size_t)),
    "im_error_violation_problem": (c_char_p, (_HANDLE, c_size_t)),
    "im_error_violation_remedy": (c_char_p, (_HANDLE, c_size_t)),
    "im_error_failure_count": (c_size_t, (_HANDLE,)),
    "im_error_failure_account": (Str, (_HANDLE, c_size_t)),
    "im_error_failure_code": (c_int32, (_HANDLE, c_size_t)),
    "im_error_failure_text": (Str, (_HANDLE, c_size_t)),
    "im_error_failure_remedy": (c_char_p, (_HANDLE, c_size_t)),
    "im_error_failure_effect": (c_int32, (_HANDLE, c_size_t)),
    "im_error_failure_retryable": (c_bool, (_HANDLE, c_size_t)),
    "im_error_undone_count": (c_size_t, (_HANDLE,)),
    "im_error_undone": (Str, (_HANDLE, c_size_t)),
    "im_error_free": (None, (_HANDLE,)),
    "im_bulk_new": (_STATUS, (_HANDLE, _OUT, _OUT)),
    "im_bulk_set_timeout_ms": _MS,
    "im_bulk_set_attempt_timeout_ms": _MS,
    "im_bulk_set_late_window_ms": _MS,
    "im_bulk_set_linger_ms": _MS,
    "im_bulk_set_capacity": (_STATUS, (_HANDLE, c_size_t)),
    "im_bulk_set_progress": (_STATUS, (_HANDLE, PROGRESS, c_void_p)),
    "im_bulk_push_flat": (
        _STATUS,
        (_HANDLE, c_void_p, c_uint64, c_char_p, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t, _OUT, _OUT),
    ),
    "im_bulk_end_of_input": (_STATUS, (_HANDLE, _OUT)),
    "im_bulk_poll": (_STATUS, (_HANDLE, c_uint64, _OUT, _OUT)),
    "im_bulk_finish": (_STATUS, (_HANDLE, _OUT)),
    "im_bulk_count": (c_uint64, (_HANDLE, c_int32)),
    "im_bulk_stats": (_STATUS, (_HANDLE, _OUT, _OUT)),
    "im_bulk_cancel": (None, (_HANDLE,)),
    "im_bulk_free": (None, (_HANDLE,)),
    "im_batcher_new": (_STATUS, (_HANDLE, _OUT, _OUT)),
    "im_batcher_set_linger_ms": _MS,
    "im_batcher_set_capacity": (_STATUS, (_HANDLE, c_size_t)),
    "im_batcher_set_when_full": (_STATUS, (_HANDLE, c_int32)),
    "im_batcher_set_timeout_ms": _MS,
    "im_batcher_set_attempt_timeout_ms": _MS,
    "im_batcher_set_late_window_ms": _MS,
    "im_batcher_add_tag": (_STATUS, _CHANGE),
    "im_batcher_remove_tag": (_STATUS, _CHANGE),
    "im_batcher_clear_tags": (_STATUS, (_HANDLE, Str, _HANDLE, _OUT)),
    "im_batcher_replace_tags": (_STATUS, _CHANGE),
    "im_batcher_submit_flat": (
        _STATUS,
        (_HANDLE, c_int32, c_uint64, c_char_p, c_size_t, c_void_p, c_size_t, c_uint64, _OUT),
    ),
    "im_batcher_submit_clear_tags": (_STATUS, (_HANDLE, c_uint64, Str, _OUT)),
    "im_batcher_withdraw": (_STATUS, (_HANDLE, c_uint64, _STATUS, _OUT)),
    "im_batcher_poll": (_STATUS, (_HANDLE, c_uint64, _OUT, _OUT)),
    "im_batcher_flush": (_STATUS, (_HANDLE, _HANDLE, _OUT)),
    "im_batcher_close": (_STATUS, (_HANDLE, _HANDLE, _OUT)),
    "im_batcher_unsettled": (c_size_t, (_HANDLE,)),
    "im_batcher_stats": (_STATUS, (_HANDLE, _OUT, _OUT)),
    "im_batcher_free": (c_size_t, (_HANDLE,)),
    "im_completions_ids": (c_void_p, (_HANDLE, _OUT)),
    "im_completions_failed": (c_void_p, (_HANDLE, _OUT)),
    "im_completions_error": (_HANDLE, (_HANDLE, c_size_t)),
    "im_completions_free": (None, (_HANDLE,)),
    "im_stats_count": (c_size_t, (_HANDLE,)),
    "im_stats_name": (c_char_p, (_HANDLE, c_size_t)),
    "im_stats_labels": (c_char_p, (_HANDLE, c_size_t)),
    "im_stats_help": (c_char_p, (_HANDLE, c_size_t)),
    "im_stats_is_counter": (c_bool, (_HANDLE, c_size_t)),
    "im_stats_value": (c_double, (_HANDLE, c_size_t)),
    "im_stats_get": (c_double, (_HANDLE, Str, Str)),
    "im_stats_text": (c_char_p, (_HANDLE,)),
    "im_stats_join": (_STATUS, (Str, _HANDLE, _HANDLE, c_size_t, _OUT, _OUT)),
    "im_stats_free": (None, (_HANDLE,)),
    "im_log_new": (_STATUS, (c_int32, c_size_t, _OUT, _OUT)),
    "im_log_next": (_STATUS, (_HANDLE, c_uint64, _OUT, _OUT)),
    "im_log_close": (None, (_HANDLE,)),
    "im_log_free": (None, (_HANDLE,)),
    "im_log_leave_out_thread": (None, (c_bool,)),
    "im_log_record_level": (c_int32, (_HANDLE,)),
    "im_log_record_time_us": (c_uint64, (_HANDLE,)),
    "im_log_record_message": (c_char_p, (_HANDLE,)),
    "im_log_record_fields": (c_char_p, (_HANDLE,)),
    "im_log_record_free": (None, (_HANDLE,)),
    "im_explain": (c_bool, (c_int32, _OUT, _OUT, _OUT, _OUT)),
}


def declare(library: ctypes.CDLL) -> None:
    """Tell ctypes the types. Raises AttributeError for a function that the library lacks."""
    for name, (returns, takes) in PROTOTYPES.items():
        function = getattr(library, name)
        function.restype = returns
        function.argtypes = takes
