/*
 * PID 1 of Flintlock's initramfs: docs/guest-protocol.md.
 *
 * In order: the kernel's file systems, the configuration, modules, the channels to the host, the root. Then either
 * the image's init takes over, or its process is started and this stays PID 1. The agent is this same program:
 * a child that outlives the switch in the one case, the main loop in the other.
 *
 * Everything after the root is mounted is done inside it (chroot first): a symlink in the image can not lead
 * anywhere else, and the same paths are right for us and for the image.
 */
#include "adjust.h"
#include "agent.h"
#include "config.h"
#include "devices.h"
#include "files.h"
#include "log.h"
#include "modules.h"
#include "mounts.h"
#include "net.h"
#include "poweroff.h"
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_ROOT "/root"

static char cmdline[4096];
static struct config config;
static struct user user;
static struct agent_channel channel = {-1, -1, -1};

static void open_standard_streams(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0)
        fd = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3 && fd >= 0; i++)
        if (fd != i)
            dup2(fd, i);
    if (fd > 2)
        close(fd);
}

static void mount_all(void)
{
    const char *error;
    if (mkdir(NEW_ROOT, 0755) < 0 && errno != EEXIST)
        die("root", "%s: %s", NEW_ROOT, strerror(errno));
    if ((error = mounts_mount(&config.root, NEW_ROOT)) != NULL)
        die("root", "%s", error);
    if (!mounts_switch_root(NEW_ROOT))
        die("root", "switching to it: %s", strerror(errno));
    status_event("root", "");
}

static bool has_init(void)
{
    struct stat status;
    return access(config.init, X_OK) == 0 && stat(config.init, &status) == 0 && S_ISREG(status.st_mode);
}

static bool decide_for_process(void)
{
    bool init = has_init();
    if (!init && !config.has_process)
        die("boot", "the image has no %s and no process: give it a command, or an image with an init", config.init);
    return config.has_process && (config.prefers_process || !init);
}

/* It sets up the network itself, and would stumble over addresses that are there already. */
static bool leave_network_to_cloud_init(void)
{
    if (access("/usr/bin/cloud-init", X_OK) < 0)
        return false;
    if (!config.is_network_by_cloud_init)
        net_keep_from_cloud_init();
    return config.is_network_by_cloud_init;
}

static void mount_volumes(void)
{
    const char *error;
    for (size_t i = 0; i < config.mount_count; i++)
        if ((error = mounts_mount(&config.mounts[i], config.mounts[i].path)) != NULL)
            die("mount", "%s", error);
}

/* A disk may have grown since it was last used. */
static void grow_file_systems(void)
{
    if (!config.root.is_read_only)
        adjust_grow("/");
    for (size_t i = 0; i < config.mount_count; i++)
        if (!config.mounts[i].is_read_only)
            adjust_grow(config.mounts[i].path);
}

/* What the image may want to use later: it has no modprobe for this kernel. */
static void load_rest_in_background(void)
{
    if (fork() != 0)
        return;
    setpriority(PRIO_PROCESS, 0, 19);
    modules_load_rest();
    _exit(0);
}

static void ready_for_process(void)
{
    char more[64];
    snprintf(more, sizeof more, ",\"mode\":\"process\",\"agent\":%d", agent_is_reachable(&channel));
    status_event("ready", more);
    load_rest_in_background();
}

static void nothing(void)
{
}

static _Noreturn void run_process(void)
{
    char problem[320], more[32];
    if (!user_resolve("/etc/passwd", "/etc/group", config.process.user, &user, problem, sizeof problem))
        die("process", "%s", problem);
    struct agent agent = {.channel = channel, .process = &config.process, .user = &user};
    status_log("agent");
    int code = agent_run(&agent, ready_for_process);
    snprintf(more, sizeof more, ",\"code\":%d", code);
    status_last("exit", more);
    poweroff();
}

/* systemd leaves processes alone whose argv[0] starts with @: systemd.io/ROOT_STORAGE_DAEMONS */
static void fork_agent(char **argv)
{
    if (!agent_is_reachable(&channel) || fork() != 0)
        return;
    memset(argv[0], 0, strlen(argv[0]));
    argv[0][0] = '@';
    prctl(PR_SET_NAME, "flintlock-agent");
    setsid();
    file_write("/proc/self/oom_score_adj", "-1000");
    /* On a disk there would be two that write to the same place. */
    status_log(config.status == NULL ? "agent" : NULL);
    struct agent agent = {.channel = channel};
    agent_run(&agent, nothing);
    _exit(0);
}

static _Noreturn void run_init(char **argv)
{
    char name[256], more[64];
    char *args[] = {name, NULL};
    static char *const env[] = {"HOME=/", "TERM=linux", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                NULL};
    modules_load_for_init();
    fork_agent(argv);
    snprintf(name, sizeof name, "%s", config.init);
    snprintf(more, sizeof more, ",\"mode\":\"init\",\"agent\":%d", agent_is_reachable(&channel));
    status_event("ready", more);
    load_rest_in_background();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execve(config.init, args, env);
    die("boot", "%s: %s", config.init, strerror(errno));
}

/* By now the devices' drivers are there. */
static void open_channels(void)
{
    int port = -1;
    devices_open_ports(config.status == NULL ? &port : NULL, config.agent_is_vsock ? NULL : &channel.port);
    if (config.status == NULL)
        status_open(port);
    else
        status_open_disk(config.status);
    if (config.agent_is_vsock)
        agent_listen(&channel);
}

int main(int argc, char **argv)
{
    if (getpid() != 1 && argc > 1)
        return adjust_main(argv + 1);
    if (getpid() != 1) {
        fprintf(stderr, "This is Flintlock's init for microVMs; it runs as PID 1 of one.\n");
        return 1;
    }
    reboot(RB_DISABLE_CAD);
    umask(022);
    mounts_early();
    open_standard_streams();
    log_open();
    agent_block_signals();
    file_read("/proc/cmdline", cmdline, sizeof cmdline);
    const char *error = config_load(&config, cmdline);
    modules_load_devices();
    open_channels();
    status_event("init", "");
    status_log("init");
    if (error != NULL)
        die("config", "%s", error);
    mount_all();
    bool for_process = decide_for_process();
    mounts_system(for_process, config.root.is_read_only);
    mount_volumes();
    grow_file_systems();
    net_write_files(&config, for_process);
    net_name(&config);
    if (for_process || !leave_network_to_cloud_init())
        net_up(&config, for_process);
    if (for_process)
        run_process();
    run_init(argv);
}
