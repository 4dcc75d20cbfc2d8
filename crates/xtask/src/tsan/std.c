/* What ThreadSanitizer is to know of Rust's standard library, which is compiled without it.
 *
 * The fast paths of std's locks are inlined into crates that are compiled with it, so it sees them. The slow paths are
 * functions of std; the linker replaces calls of them by the functions here (`--wrap`), which tell it what they do: a
 * lock is acquired (its memory is read with "acquire"), or released (with "release"). mod.rs fills in their names.
 *
 * The arguments are those of Rust's functions, by the registers in which they come.
 */
#include <stdint.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define REAL(name) JOIN(__real_, name)
#define WRAP(name) JOIN(__wrap_, name)

typedef volatile uint32_t lock; /* std's locks are one number, which threads wait on */

uint32_t __tsan_atomic32_load(const lock *, int order);
uint32_t __tsan_atomic32_fetch_add(lock *, uint32_t, int order);

static void acquired(lock *it) { __tsan_atomic32_load(it, 2); }
static void releases(lock *it) { __tsan_atomic32_fetch_add(it, 0, 3); }

#define ACQUIRES(name)            \
    void REAL(name)(lock *);      \
    void WRAP(name)(lock * it)    \
    {                             \
        REAL(name)(it);           \
        acquired(it);             \
    }

ACQUIRES(MUTEX_LOCK)
ACQUIRES(RWLOCK_READ)
ACQUIRES(RWLOCK_WRITE)

void REAL(CONDVAR_WAIT)(void *condvar, lock *);
void WRAP(CONDVAR_WAIT)(void *condvar, lock *it)
{
    releases(it);
    REAL(CONDVAR_WAIT)(condvar, it);
    acquired(it);
}

_Bool REAL(CONDVAR_WAIT_TIMEOUT)(void *condvar, lock *, uint64_t seconds, uint32_t nanoseconds);
_Bool WRAP(CONDVAR_WAIT_TIMEOUT)(void *condvar, lock *it, uint64_t seconds, uint32_t nanoseconds)
{
    releases(it);
    _Bool in_time = REAL(CONDVAR_WAIT_TIMEOUT)(condvar, it, seconds, nanoseconds);
    acquired(it);
    return in_time;
}

/* What a OnceLock or LazyLock holds is written in the call, by one thread. */
void REAL(ONCE_CALL)(lock *, _Bool ignore_poison, void *closure, void *vtable);
void WRAP(ONCE_CALL)(lock *it, _Bool ignore_poison, void *closure, void *vtable)
{
    REAL(ONCE_CALL)(it, ignore_poison, closure, vtable);
    releases(it);
    acquired(it);
}
