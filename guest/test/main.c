#include "check.h"

int main(void)
{
    test_json();
    test_config();
    test_users();
    test_mux();
    test_proxy();
    test_forward();
    test_copy();
    test_stats();
    test_vsock();
    test_status_disk();
    puts("guest: all checks passed");
    return 0;
}
