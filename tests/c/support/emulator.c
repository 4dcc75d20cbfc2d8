#define _GNU_SOURCE
#include "emulator.h"
#include "check.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The value of a name in one flat JSON object, without quotes. */
static void member(const char *json, const char *name, char *value, size_t size) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\":", name);
    const char *found = strstr(json, quoted);
    if (!found)
        give_up("the emulator's line has not all that is needed");
    found += strlen(quoted);
    found += *found == '"';
    size_t length = strcspn(found, "\",}");
    snprintf(value, size, "%.*s", (int)length, found);
}

static void read_line(int from, char *line, size_t size) {
    size_t length = 0;
    while (length + 1 < size && read(from, line + length, 1) == 1 && line[length] != '\n')
        length++;
    line[length] = '\0';
}

static struct emulator start(const char *option) {
    struct emulator emulator = {0};
    const char *imtag = getenv("IMTAG_BIN");
    int lines[2];
    if (!imtag || pipe(lines))
        give_up("set IMTAG_BIN to the command line imtag");
    pid_t parent = getpid();
    emulator.process = fork();
    if (emulator.process == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(1);
        dup2(lines[1], 1);
        close(lines[0]);
        close(lines[1]);
        /* without the settings of the user who runs the tests; the quota is not tested */
        char *const environment[] = {"HOME=/nonexistent", NULL};
        execle(imtag, imtag, "emulator", "--json", "--calls-per-second", "100000", option, (char *)NULL, environment);
        _exit(127);
    }
    close(lines[1]);
    char line[1024], number[32];
    read_line(lines[0], line, sizeof line);
    close(lines[0]);
    member(line, "endpoint", emulator.endpoint, sizeof emulator.endpoint);
    member(line, "identifier", emulator.identifier, sizeof emulator.identifier);
    member(line, "secret_key_file", emulator.key_file, sizeof emulator.key_file);
    member(line, "sdkappid", number, sizeof number);
    emulator.sdkappid = (unsigned)strtoul(number, NULL, 10);
    emulator.port = atoi(strrchr(emulator.endpoint, ':') + 1);
    if (option)
        member(line, "ca_file", emulator.ca_file, sizeof emulator.ca_file);
    FILE *key = fopen(emulator.key_file, "r");
    if (!key || !fgets(emulator.key, sizeof emulator.key, key))
        give_up("cannot read the emulator's key");
    fclose(key);
    emulator.key[strcspn(emulator.key, "\n")] = '\0';
    return emulator;
}

struct emulator emulator_start(void) {
    return start(NULL);
}

struct emulator emulator_start_tls(void) {
    return start("--tls");
}

void emulator_stop(struct emulator *emulator) {
    kill(emulator->process, SIGTERM);
    waitpid(emulator->process, NULL, 0);
}

im_config *emulator_config(const struct emulator *emulator) {
    im_config *config = im_config_new();
    im_config_set_app(config, emulator->sdkappid, im_str_from(emulator->identifier));
    im_config_set_secret_key(config, im_str_from(emulator->key));
    im_config_set_endpoint(config, im_str_from(emulator->endpoint));
    if (*emulator->ca_file)
        im_config_set_ca_file(config, im_str_from(emulator->ca_file));
    return config;
}

const char *emulator_usersig(const struct emulator *emulator) {
    static char usersig[1024];
    char command[1024];
    snprintf(command, sizeof command,
             "env -i HOME=/nonexistent \"$IMTAG_BIN\" usersig --sdkappid %u --identifier %s --secret-key-file '%s'",
             emulator->sdkappid, emulator->identifier, emulator->key_file);
    FILE *made = popen(command, "r");
    if (!made || !fgets(usersig, sizeof usersig, made) || pclose(made))
        give_up("cannot make a UserSig");
    usersig[strcspn(usersig, "\n")] = '\0';
    return usersig;
}

im_client *client_of(im_config *config) {
    im_client *client;
    im_error *error;
    if (im_client_new(config, &client, &error) != IM_OK)
        give_up(im_error_message(error));
    im_config_free(config);
    return client;
}

const char *emulator_ask(const struct emulator *emulator, const char *method, const char *path, const char *body) {
    static char answer[1 << 16];
    char request[4096];
    int length = snprintf(request, sizeof request,
                          "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          method, path, strlen(body), body);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)emulator->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(to, (struct sockaddr *)&address, sizeof address) ||
        send(to, request, (size_t)length, MSG_NOSIGNAL) != length)
        give_up("cannot ask the emulator");
    size_t filled = 0;
    ssize_t came;
    while (filled + 1 < sizeof answer && (came = read(to, answer + filled, sizeof answer - 1 - filled)) > 0)
        filled += (size_t)came;
    answer[filled] = '\0';
    close(to);
    if (strncmp(answer, "HTTP/1.1 20", 11) != 0)
        give_up(answer);
    const char *start = strstr(answer, "\r\n\r\n");
    return start ? start + 4 : answer;
}

void emulator_faults(const struct emulator *emulator, const char *route, const char *faults) {
    char body[2048];
    snprintf(body, sizeof body, "{\"route\": \"%s\", \"faults\": [%s]}", route, faults);
    emulator_ask(emulator, "POST", "/emulator/faults", body);
}
