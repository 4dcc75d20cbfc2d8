// The emulator of the service, in a process of its own on a free port, and its admin API.

#ifndef EMULATOR_HPP
#define EMULATOR_HPP

#include "imtag.hpp"

#include <string>
#include <sys/types.h>

class emulator {
public:
    /// Starts `imtag emulator` (IMTAG_BIN names the program), with one more option if there is one.
    explicit emulator(const char* option = nullptr);
    ~emulator();
    emulator(const emulator&) = delete;
    emulator& operator=(const emulator&) = delete;

    /// The settings of a client for it.
    imtag::config config() const;
    imtag::client client() const { return imtag::client(config()); }

    /// A UserSig that it accepts, made by the command line.
    std::string usersig() const;

    /// Queues faults for a route: `add`, and the items of a JSON list.
    void fault(const std::string& route, const std::string& faults) const;
    /// One user's tags, as the emulator's JSON.
    std::string user(const std::string& account) const;
    /// All that arrived, as the emulator's JSON.
    std::string requests() const;
    /// Forgets tags, faults and requests.
    void reset() const;

    std::string endpoint, identifier, key, key_file, ca_file;
    std::uint32_t sdkappid = 0;

private:
    std::string ask(const std::string& method, const std::string& path, const std::string& body = "") const;

    pid_t process_ = -1;
    std::uint16_t port_ = 0;
};

/// The emulator that all tests share; the first test starts it. Each test begins with `fresh()`, which resets it.
emulator& shared_emulator();
emulator& fresh();

#endif
