/* Preloaded into a server that can only listen on every address: turns a wildcard bind into a loopback one. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef int (*bind_call)(int, const struct sockaddr *, socklen_t);

int bind(int socket, const struct sockaddr *address, socklen_t length)
{
    static bind_call next;
    struct sockaddr_storage copy;

    if (!next)
        next = (bind_call)dlsym(RTLD_NEXT, "bind");
    if (address && length <= sizeof copy) {
        memcpy(&copy, address, length);
        if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
            struct sockaddr_in *v4 = (struct sockaddr_in *)&copy;
            if (v4->sin_addr.s_addr == htonl(INADDR_ANY))
                v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        } else if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
            struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&copy;
            if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr)) {
                int only_v6 = 0;
                socklen_t size = sizeof only_v6;
                getsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, &size);
                inet_pton(AF_INET6, only_v6 ? "::1" : "::ffff:127.0.0.1", &v6->sin6_addr);
            }
        }
        address = (const struct sockaddr *)&copy;
    }
    return next(socket, address, length);
}
