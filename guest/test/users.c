#include "users.h"

#include "check.h"
#include "files.h"

#include <string.h>
#include <unistd.h>

#define PASSWD "passwd.test"
#define GROUP "group.test"

static struct user user;
static char error[320];

static bool resolve(const char *spec)
{
    return user_resolve(PASSWD, GROUP, spec, &user, error, sizeof error);
}

void test_users(void)
{
    char directory[] = "/tmp/flintlock-users-XXXXXX";
    CHECK(mkdtemp(directory) != NULL && chdir(directory) == 0);
    CHECK(file_write(PASSWD, "root:x:0:0:root:/root:/bin/sh\n# no:x:7:7::/:\nbroken\nbad:x:abc:1::/:\n"
                             "app:x:1000:1001:App:/srv/app:/bin/sh\n+::::::\nlast:x:5:6:::"));
    CHECK(file_write(GROUP, "root:x:0:\nwheel:x:10:root,app\nvideo:x:44:app\nappg:x:1001:\nbad:x:z:app\n"));

    CHECK(resolve("") && user.uid == 0 && user.gid == 0 && strcmp(user.home, "/root") == 0);
    CHECK(resolve("app") && user.uid == 1000 && user.gid == 1001 && strcmp(user.home, "/srv/app") == 0);
    CHECK(user.group_count == 3 && user.groups[0] == 1001 && user.groups[1] == 10 && user.groups[2] == 44);
    CHECK(resolve("1000") && user.gid == 1001 && user.group_count == 3 && strcmp(user.name, "app") == 0);
    CHECK(resolve("app:video") && user.gid == 44 && user.group_count == 1 && user.groups[0] == 44);
    CHECK(resolve("app:77") && user.gid == 77);
    CHECK(resolve("4242") && user.uid == 4242 && user.gid == 0 && strcmp(user.home, "/") == 0);
    CHECK(resolve("4242:10") && user.gid == 10);
    CHECK(resolve(":10") && user.uid == 0 && user.gid == 10);
    CHECK(resolve("last") && user.uid == 5 && strcmp(user.home, "/") == 0);
    CHECK(!resolve("nobody") && strstr(error, "nobody"));
    CHECK(!resolve("app:nogroup") && strstr(error, "nogroup"));
    CHECK(!resolve("bad") && !resolve("99999999999") && !resolve("-1") && !resolve("# no"));

    unlink(PASSWD);
    unlink(GROUP);
    CHECK(resolve("") && user.uid == 0 && strcmp(user.home, "/") == 0);
    CHECK(resolve("12:34") && user.uid == 12 && user.gid == 34);
    CHECK(!resolve("app"));
    CHECK(chdir("/") == 0 && rmdir(directory) == 0);
}
