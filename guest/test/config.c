#include "config.h"

#include "check.h"

#include <string.h>

static const char *parse(struct config *config, const char *text)
{
    char *copy = strdup(text); /* never freed, as in the guest */
    return config_parse(config, copy, strlen(copy));
}

void test_config(void)
{
    static struct config config;
    CHECK(parse(&config, "{\"version\":1,\"hostname\":\"h\",\"root\":{\"device\":\"LABEL=r\",\"fsType\":\"ext4\","
                         "\"isReadOnly\":true},\"mounts\":[{\"device\":\"/dev/vdb\",\"path\":\"/data\",\"fsType\":\"vfat\","
                         "\"isReadOnly\":false}],\"interfaces\":[{\"mac\":\"52:54:00:00:00:01\",\"name\":\"eth0\","
                         "\"addresses\":[\"10.0.0.2/24\"],\"mtu\":9000}],\"nameservers\":[],\"boot\":{\"prefer\":\"process\","
                         "\"init\":\"/sbin/init\",\"process\":{\"args\":[\"sh\"],\"env\":[\"A=1\"],\"cwd\":\"\","
                         "\"user\":\"\",\"tty\":true,\"attach\":true}}}") == NULL);
    CHECK(config.root.is_read_only && strcmp(config.root.device, "LABEL=r") == 0);
    CHECK(config.mount_count == 1 && strcmp(config.mounts[0].fs_type, "vfat") == 0);
    CHECK(config.interface_count == 1 && config.interfaces[0].gateway == NULL && config.interfaces[0].mtu == 9000);
    CHECK(config.is_network_by_cloud_init);
    CHECK(config.prefers_process && config.has_process && config.process.tty && strcmp(config.process.cwd, "/") == 0);

    CHECK(strstr(parse(&config, "{\"version\":2}"), "version"));
    CHECK(strstr(parse(&config, "{\"version\":1}"), "root.device"));
    CHECK(strstr(parse(&config, "{\"version\":1,\"root\":{\"device\":\"/dev/vda\"},\"boot\":{\"process\":{\"args\":[]}}}"),
                 "args"));
    CHECK(strstr(parse(&config, "{\"version\":1,\"root\":{\"device\":\"/dev/vda\"},\"boot\":{\"process\":{\"args\":[\"a\",1]}}}"),
                 "args"));
    CHECK(strstr(parse(&config, "{\"version\":1,\"root\":{\"device\":\"/dev/vda\"},\"mounts\":[{\"device\":\"x\"}]}"), "path"));
    CHECK(strstr(parse(&config, "{\"version\":1,\"root\":{\"device\":\"/dev/vda\"},\"interfaces\":[{\"mac\":\"x\","
                                "\"addresses\":[],\"mtu\":65536}]}"),
                 "mtu"));
    CHECK(strstr(parse(&config, "[]"), "version"));

    CHECK(!config.agent_is_vsock && config.status == NULL);
    CHECK(parse(&config, "{\"version\":1,\"agent\":\"vsock\",\"status\":\"/dev/vdc\",\"root\":{\"device\":\"/dev/vda\"},"
                         "\"nameservers\":[],\"mounts\":[{\"device\":\"tag\",\"path\":\"/s\",\"fsType\":\"virtiofs\"}]}") == NULL);
    CHECK(config.agent_is_vsock && strcmp(config.status, "/dev/vdc") == 0 && strcmp(config.mounts[0].device, "tag") == 0);
    /* where the host can be told of what else is wrong */
    CHECK(strstr(parse(&config, "{\"version\":2,\"status\":\"/dev/vdb\"}"), "version") && strcmp(config.status, "/dev/vdb") == 0);
    CHECK(strstr(parse(&config, "{\"version\":1,\"agent\":\"serial\",\"status\":\"/dev/vdb\"}"), "agent") && config.status != NULL);
    CHECK(strstr(parse(&config, "{\"version\":1,\"status\":\"LABEL=x\"}"), "status") && config.status == NULL);
}
