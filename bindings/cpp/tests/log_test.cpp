// Logs: a thread of the program reads records, or a function gets them on a thread of the log. No record shows a secret.

#include "emulator.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;
using imtag::log_level;

namespace {

/// A client whose next call is one record, "attempt ended": it has a quota of its own, a connection and a UserSig.
imtag::client quick_client() {
    imtag::client quick{fresh().config().calls_per_second(90).fresh_start(true)};
    static_cast<void>(quick.get_tag({"nobody"}));
    return quick;
}

void add_tag(const imtag::client& client) { client.add_tag({{"hush-account", {"hush-tag"}}}); }

bool is_attempt(const imtag::log_record& record) { return record.message() == "attempt ended"; }

bool has(const imtag::log_record& record, std::string_view text) {
    return record.fields().find(text) != std::string_view::npos;
}

int attempts_in(const imtag::log_queue& queue) {
    int attempts = 0;
    while (const auto record = queue.next(0ms))
        attempts += is_attempt(*record);
    return attempts;
}

/// Whether `work` returns true in a forked child, in time.
template <class Work>
bool in_child(Work work) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        bool fine = false;
        try {
            fine = work();
        } catch (...) {
        }
        _exit(fine ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(log_queue, a_record_has_level_time_message_and_fields) {
    const imtag::client client = quick_client();
    std::optional<imtag::log_record> record;
    const auto before = std::chrono::system_clock::now() - 1ms;
    {
        const imtag::log_queue queue(log_level::debug);
        add_tag(client);
        record = queue.next();
        EXPECT_FALSE(queue.next(1ms));
    }
    ASSERT_TRUE(record);  // it stays when the queue is gone
    EXPECT_EQ(record->level(), log_level::debug);
    EXPECT_GE(record->time(), before);
    EXPECT_LE(record->time(), std::chrono::system_clock::now());
    EXPECT_EQ(record->message(), "attempt ended");
    EXPECT_EQ(record->fields().front(), '{');
    EXPECT_TRUE(has(*record, R"("attempt":1,)") && has(*record, R"("operation":"add")")) << record->fields();
}

TEST(log_queue, takes_what_is_as_important_as_its_level) {
    auto& service = fresh();
    const imtag::log_queue warnings(log_level::warn), infos(log_level::info), all(log_level::trace);
    add_tag(service.client());
    const imtag::client refused{
        service.config().credential_callback([]() -> std::string { throw std::runtime_error("none"); })};
    EXPECT_THROW(add_tag(refused), imtag::credentials_error);
    std::set<log_level> levels[3];
    const imtag::log_queue* const queues[] = {&warnings, &infos, &all};
    for (int i = 0; i < 3; ++i)
        while (const auto record = queues[i]->next(0ms))
            levels[i].insert(record->level());
    EXPECT_EQ(levels[0], (std::set{log_level::warn}));
    EXPECT_EQ(levels[1], (std::set{log_level::warn, log_level::info}));
    EXPECT_EQ(levels[2], (std::set{log_level::warn, log_level::info, log_level::debug}));
}

TEST(log_queue, close_ends_a_wait_and_leaves_what_is_there) {
    const imtag::client client = quick_client();
    const imtag::log_queue queue(log_level::debug);
    std::atomic<int> records{0};
    std::thread reader([&] {
        while (queue.next())
            ++records;
    });
    add_tag(client);
    add_tag(client);
    while (records < 2)
        std::this_thread::yield();
    queue.close();
    reader.join();
    EXPECT_FALSE(queue.next());

    const imtag::log_queue other(log_level::debug);
    add_tag(client);
    other.close();
    other.close();
    add_tag(client);
    EXPECT_EQ(attempts_in(other), 1);
}

TEST(log_queue, counts_what_it_has_no_place_for) {
    const imtag::client client = quick_client();
    const imtag::log_queue queue(log_level::debug, 1);
    for (int i = 0; i < 4; ++i)
        add_tag(client);
    ASSERT_TRUE(queue.next(0ms));
    const auto dropped = queue.next(0ms);
    ASSERT_TRUE(dropped);
    EXPECT_EQ(dropped->level(), log_level::warn);
    EXPECT_EQ(dropped->message(), "log records were dropped");
    // on a busy machine a call may wait for its turn, which is a record too
    const std::string fields(dropped->fields());
    const std::string before = R"({"dropped":)";
    ASSERT_EQ(fields.substr(0, before.size()), before);
    EXPECT_GE(std::stoi(fields.substr(before.size())), 3);
}

TEST(log_queue, one_that_was_moved_from_says_so) {
    imtag::log_queue queue(log_level::debug);
    const imtag::log_queue moved = std::move(queue);
    EXPECT_THROW(static_cast<void>(queue.next()), imtag::misuse);
    queue.close();
    EXPECT_FALSE(moved.next(0ms));
}

TEST(log, passes_each_record_on_before_it_ends) {
    const imtag::client client = quick_client();
    int attempts = 0;
    std::thread::id its;
    sigset_t blocked;
    auto owned = std::make_unique<int>();  // the function cannot be copied
    {
        const imtag::log log(log_level::debug, [&, owned = std::move(owned)](const imtag::log_record& record) {
            attempts += is_attempt(record);
            its = std::this_thread::get_id();
            pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
        });
        std::vector<std::thread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&client] {
                for (int call = 0; call < 10; ++call)
                    add_tag(client);
            });
        for (std::thread& thread : threads)
            thread.join();
    }
    EXPECT_EQ(attempts, 80);
    EXPECT_NE(its, std::this_thread::get_id());
    EXPECT_EQ(sigismember(&blocked, SIGTERM), 1);
    add_tag(client);
    EXPECT_EQ(attempts, 80);
}

TEST(log, several_have_the_same_records) {
    const imtag::client client = quick_client();
    int first = 0, second = 0;
    {
        const imtag::log one(log_level::debug, [&first](const imtag::log_record& record) { first += is_attempt(record); });
        imtag::log moved(log_level::debug, [&second](const imtag::log_record& record) { second += is_attempt(record); });
        const imtag::log two = std::move(moved);
        moved.close();
        add_tag(client);
    }
    EXPECT_EQ(first, 1);
    EXPECT_EQ(second, 1);
}

TEST(log, an_exception_of_the_function_loses_no_other_record) {
    const imtag::client client = quick_client();
    int attempts = 0;
    {
        const imtag::log log(log_level::debug, [&attempts](const imtag::log_record& record) {
            attempts += is_attempt(record);
            throw std::runtime_error("no room");
        });
        add_tag(client);
        add_tag(client);
    }
    EXPECT_EQ(attempts, 2);
}

TEST(log, a_function_that_makes_calls_brings_no_more_records) {
    const imtag::client client = quick_client();
    std::atomic<int> attempts{0};
    {
        const auto calls = [&](const imtag::log_record& record) {
            attempts += is_attempt(record);
            static_cast<void>(client.get_tag({"nobody"}));
        };
        const imtag::log one(log_level::trace, calls), two(log_level::trace, calls);
        add_tag(client);
        add_tag(client);
    }
    EXPECT_EQ(attempts, 4);
}

TEST(log, the_function_may_end_it) {
    const imtag::client client = quick_client();
    std::atomic<int> ended{0};
    std::unique_ptr<imtag::log> log;
    std::atomic<bool> is_kept{false};
    log = std::make_unique<imtag::log>(log_level::debug, [&](const imtag::log_record&) {
        while (!is_kept)
            std::this_thread::yield();
        if (!log)
            return;  // a record that was there
        log->close();
        log.reset();
        ++ended;
    });
    is_kept = true;
    add_tag(client);
    while (ended == 0)
        std::this_thread::yield();
    add_tag(client);
    EXPECT_EQ(ended, 1);
}

TEST(log, is_its_process_and_a_child_has_its_own) {
    const imtag::client client = quick_client();
    std::atomic<int> attempts{0};
    const auto count = [&attempts](const imtag::log_record& record) { attempts += is_attempt(record); };
    const imtag::log_queue queue(log_level::debug);
    auto log = std::make_unique<imtag::log>(log_level::debug, count);
    std::atomic<bool> over{false};
    std::thread beside([&] {
        while (!over)
            add_tag(client);
    });
    for (int i = 0; i < 5; ++i)
        EXPECT_TRUE(in_child([&] {
            log->close();
            log.reset();
            try {
                static_cast<void>(queue.next(0ms));
                return false;
            } catch (const imtag::misuse&) {
            }
            attempts = 0;
            imtag::log own(log_level::debug, count);
            add_tag(client);
            own.close();
            return attempts == 1;
        }));
    over = true;
    beside.join();
    log.reset();
    EXPECT_GE(attempts, 1);
}

TEST(log, shows_no_secret_and_no_user) {
    auto& service = fresh();
    const std::string usersig = service.usersig(), quoted = "\"text\": \"hush-account " + usersig + "\"}";
    std::vector<std::string> shown;
    std::set<std::string> messages;
    {
        const imtag::log log(log_level::trace, [&](const imtag::log_record& record) {
            messages.emplace(record.message());
            shown.push_back(std::string(record.message()) + ' ' + std::string(record.fields()));
        });
        const imtag::client client = service.client();
        service.fault("add", R"({"kind": "leave_out", "accounts": ["hush-account"], "code": 70107, )" + quoted);
        EXPECT_THROW(client.add_tag({{"hush-account", {"hush-tag"}}, {"hush-other", {"hush-tag"}}}),
                     imtag::partial_failure);
        service.fault("add", R"({"kind": "code", "code": 60008, )" + quoted + R"(, {"kind": "cut_before"})");
        add_tag(client);
        service.fault("add", R"({"kind": "code", "code": 70009, )" + quoted);
        EXPECT_THROW(add_tag(client), imtag::service_error);
        std::vector<imtag::change> changes;
        for (int i = 0; i < 150; ++i)
            changes.push_back(imtag::change::add("hush-" + std::to_string(i), {"hush-tag"}));
        EXPECT_EQ(client.bulk(changes, [](const imtag::outcome&) {}).done, 150u);
        int supplied = 0;
        auto supply = [&] { return ++supplied < 3 ? service.usersig() : throw std::runtime_error("hush-reason"); };
        const imtag::client renews{service.config().credential_callback(supply)};
        for (int i = 0; i < 2; ++i) {
            service.fault("add", R"({"kind": "code", "code": 70001, )" + quoted);
            if (i == 0)
                add_tag(renews);
            else
                EXPECT_THROW(add_tag(renews), imtag::credentials_error);
        }
        // nobody listens at the port of a proxy that is 1
        const imtag::client proxied{imtag::config{}
                                        .app(service.sdkappid, service.identifier)
                                        .secret_key(service.key)
                                        .region("singapore")
                                        .proxy("http://hush-user:hush-password@127.0.0.1:1")
                                        .max_attempts(1)};
        EXPECT_THROW(proxied.add_tag({{"hush-account", {"hush-tag"}}}, imtag::call{}.timeout(500ms)), imtag::error);
    }
    for (const char* const message : {"attempt ended", "trying again", "call failed", "new UserSig", "UserSig expired",
                                      "no UserSig", "session began", "session ended"})
        EXPECT_EQ(messages.count(message), 1u) << message;
    for (const std::string& record : shown)
        for (const std::string& secret : {std::string("hush"), service.key, usersig, std::string("eJ")})
            EXPECT_EQ(record.find(secret), std::string::npos) << record;
}

}  // namespace
