#include "dhcp.h"

#include "clock.h"
#include "files.h"
#include "log.h"
#include "net.h"
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIRST_LEASE_WAIT_MS 300
/* Of the whole first attempt; a server that comes later is found by the next one */
#define ATTEMPT_MS 10000
#define RETRY_PAUSE_SEC 20
#define MAX_NAMESERVERS 3

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK };
enum { OPTION_MASK = 1, OPTION_ROUTER = 3, OPTION_DNS = 6, OPTION_HOSTNAME = 12, OPTION_ADDRESS = 50, OPTION_LEASE = 51,
       OPTION_TYPE = 53, OPTION_SERVER = 54, OPTION_WANTED = 55, OPTION_CLIENT = 61 };

struct message {
    uint8_t op, htype, hlen, hops;
    uint32_t xid;
    uint16_t secs, flags;
    uint32_t client, yours, server, relay;
    uint8_t mac[16], name[64], file[128];
    uint8_t cookie[4];
    uint8_t options[312];
};

_Static_assert(sizeof(struct message) == 552, "BOOTP has no padding");

struct lease {
    uint32_t address, mask, router, server;
    uint32_t dns[MAX_NAMESERVERS];
    size_t dns_count;
    uint32_t seconds;
};

struct client {
    const char *name;
    int index;
    uint32_t metric;
    uint8_t mac[6];
    uint32_t xid;
    int socket;
};

static bool open_socket(struct client *client)
{
    struct ifreq request = {0};
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(68)};
    int one = 1;
    client->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", client->name);
    if (client->socket < 0 || ioctl(client->socket, SIOCGIFHWADDR, &request) < 0)
        return false;
    memcpy(client->mac, request.ifr_hwaddr.sa_data, sizeof client->mac);
    return setsockopt(client->socket, SOL_SOCKET, SO_BINDTODEVICE, client->name, (socklen_t)strlen(client->name)) == 0 &&
           setsockopt(client->socket, SOL_SOCKET, SO_BROADCAST, &one, sizeof one) == 0 &&
           setsockopt(client->socket, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
           bind(client->socket, (struct sockaddr *)&any, sizeof any) == 0;
}

static uint8_t *put_option(uint8_t *at, uint8_t code, const void *bytes, size_t length)
{
    *at++ = code;
    *at++ = (uint8_t)length;
    memcpy(at, bytes, length);
    return at + length;
}

/* `lease` is NULL for DISCOVER. The broadcast flag: we cannot receive unicast before we have the address. */
static void send_message(struct client *client, uint8_t type, const struct lease *lease)
{
    static const uint8_t cookie[4] = {99, 130, 83, 99}, wanted[] = {OPTION_MASK, OPTION_ROUTER, OPTION_DNS, OPTION_LEASE};
    struct message message = {.op = 1, .htype = 1, .hlen = 6, .xid = client->xid, .flags = htons(0x8000)};
    struct sockaddr_in everybody = {.sin_family = AF_INET, .sin_port = htons(67), .sin_addr.s_addr = INADDR_BROADCAST};
    uint8_t id[7] = {1}, *at = message.options;
    char hostname[64] = "";
    memcpy(message.mac, client->mac, 6);
    memcpy(message.cookie, cookie, 4);
    memcpy(id + 1, client->mac, 6);
    gethostname(hostname, sizeof hostname - 1);
    at = put_option(at, OPTION_TYPE, &type, 1);
    at = put_option(at, OPTION_CLIENT, id, sizeof id);
    at = put_option(at, OPTION_WANTED, wanted, sizeof wanted);
    if (hostname[0])
        at = put_option(at, OPTION_HOSTNAME, hostname, strlen(hostname));
    if (lease != NULL) {
        at = put_option(at, OPTION_ADDRESS, &lease->address, 4);
        at = put_option(at, OPTION_SERVER, &lease->server, 4);
    }
    *at = 255;
    if (sendto(client->socket, &message, sizeof message, 0, (struct sockaddr *)&everybody, sizeof everybody) < 0)
        log_line("dhcp %s: %s", client->name, strerror(errno));
}

static uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

/* The message's type, 0 when it is not for us or malformed. */
static int parse_message(const struct client *client, const struct message *message, size_t length, struct lease *lease)
{
    int type = 0;
    if (length < offsetof(struct message, options) || message->op != 2 || message->xid != client->xid ||
        memcmp(message->mac, client->mac, 6) != 0 || word(message->cookie) != htonl(0x63825363))
        return 0;
    *lease = (struct lease){.address = message->yours, .seconds = 3600};
    const uint8_t *at = message->options, *end = (const uint8_t *)message + length;
    while (at < end && *at != 255) {
        if (*at == 0) {
            at++;
            continue;
        }
        if (end - at < 2 || end - at < 2 + at[1])
            return 0;
        const uint8_t *value = at + 2;
        size_t size = at[1];
        if (*at == OPTION_TYPE && size == 1)
            type = *value;
        else if (*at == OPTION_MASK && size == 4)
            lease->mask = word(value);
        else if (*at == OPTION_ROUTER && size >= 4)
            lease->router = word(value);
        else if (*at == OPTION_SERVER && size == 4)
            lease->server = word(value);
        else if (*at == OPTION_LEASE && size == 4)
            lease->seconds = ntohl(word(value));
        else if (*at == OPTION_DNS)
            for (size_t i = 0; i + 4 <= size && lease->dns_count < MAX_NAMESERVERS; i += 4)
                lease->dns[lease->dns_count++] = word(value + i);
        at = value + size;
    }
    return type;
}

/* Waits at most to `deadline` for a message of `type` (or NAK). */
static int receive(const struct client *client, int type, struct lease *lease, long long deadline)
{
    for (;;) {
        struct pollfd wait = {.fd = client->socket, .events = POLLIN};
        struct message message;
        long long left = deadline - clock_ms();
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            return 0;
        ssize_t n = recv(client->socket, &message, sizeof message, 0);
        int got = n > 0 ? parse_message(client, &message, (size_t)n, lease) : 0;
        if (got == type || got == NAK)
            return got;
    }
}

/* DISCOVER … ACK; with `renew`, the REQUEST alone. */
static bool get_lease(struct client *client, struct lease *lease, bool renew)
{
    long long deadline = clock_ms() + ATTEMPT_MS;
    struct lease offer = *lease;
    getrandom(&client->xid, sizeof client->xid, GRND_NONBLOCK);
    for (long long pause = 250; clock_ms() < deadline; pause *= 2) {
        long long until = clock_ms() + pause < deadline ? clock_ms() + pause : deadline;
        if (!renew) {
            send_message(client, DISCOVER, NULL);
            if (receive(client, OFFER, &offer, until) != OFFER)
                continue;
        }
        send_message(client, REQUEST, &offer);
        int answer = receive(client, ACK, lease, until + pause);
        if (answer == ACK && lease->address != 0)
            return true;
        if (answer == NAK)
            return false;
    }
    return false;
}

static int prefix_of(uint32_t mask)
{
    return mask == 0 ? 24 : __builtin_popcount(mask);
}

static void apply(const struct client *client, const struct lease *lease)
{
    struct address address = {.family = AF_INET, .prefix = prefix_of(lease->mask)}, router = {.family = AF_INET};
    memcpy(address.bytes, &lease->address, 4);
    memcpy(router.bytes, &lease->router, 4);
    if (!netlink_add_address(client->index, &address, lease->seconds))
        log_line("dhcp %s: address: %s", client->name, strerror(errno));
    if (lease->router != 0 && !netlink_add_default_route(client->index, &router, client->metric))
        log_line("dhcp %s: router: %s", client->name, strerror(errno));
}

static void release_address(const struct client *client, const struct lease *lease)
{
    struct address address = {.family = AF_INET, .prefix = prefix_of(lease->mask)};
    memcpy(address.bytes, &lease->address, 4);
    netlink_delete_address(client->index, &address);
}

static void write_resolv(const struct lease *lease, bool for_process)
{
    char texts[MAX_NAMESERVERS][INET_ADDRSTRLEN];
    const char *nameservers[MAX_NAMESERVERS + 1] = {NULL};
    for (size_t i = 0; i < lease->dns_count; i++)
        nameservers[i] = inet_ntop(AF_INET, &lease->dns[i], texts[i], sizeof texts[i]);
    net_write_resolv(nameservers, for_process);
}

static void pause_sec(unsigned seconds)
{
    for (long long until = clock_ms() + seconds * 1000LL; clock_ms() < until;)
        clock_sleep_ms((int)(until - clock_ms()) + 1);
}

static _Noreturn void run_client(struct client client, enum resolv_use resolv, int told)
{
    struct lease lease = {0};
    bool renews = false;
    if (!open_socket(&client)) {
        log_line("dhcp %s: %s", client.name, strerror(errno));
        _exit(1);
    }
    for (;;) {
        /* An address whose lease is not renewed stays until the kernel lets it expire. */
        struct lease next = lease;
        bool got = get_lease(&client, &next, renews);
        if (got) {
            if (lease.address != 0 && lease.address != next.address)
                release_address(&client, &lease);
            if (lease.address == 0 && resolv != RESOLV_LEAVE)
                write_resolv(&next, resolv == RESOLV_FOR_PROCESS);
            apply(&client, &next);
            lease = next;
        }
        close(told); /* the parent waits for this */
        told = -1;
        renews = got;
        pause_sec(!got ? RETRY_PAUSE_SEC : lease.seconds < 20 ? 10 : lease.seconds < 7200 ? lease.seconds / 2 : 3600);
    }
}

void dhcp_start(const char *name, int index, uint32_t metric, enum resolv_use resolv)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        close(fds[0]);
        run_client((struct client){.name = name, .index = index, .metric = metric}, resolv, fds[1]);
    }
    close(fds[1]);
    struct pollfd wait = {.fd = fds[0], .events = POLLIN};
    if (pid > 0)
        poll(&wait, 1, FIRST_LEASE_WAIT_MS);
    close(fds[0]);
}
