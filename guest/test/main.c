#include "check.h"

int main(void)
{
    test_json();
    test_config();
    test_users();
    test_mux();
    test_proxy();
    puts("guest: all checks passed");
    return 0;
}
