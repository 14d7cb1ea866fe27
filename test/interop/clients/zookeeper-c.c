/* ZooKeeper's own C client (libzookeeper-mt) against a server: ends with "all good", or says what was wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

#define CHECK(what)                                                  \
  do {                                                               \
    if (!(what)) {                                                   \
      fprintf(stderr, "line %d: not so: %s\n", __LINE__, #what);     \
      exit(1);                                                       \
    }                                                                \
  } while (0)

static volatile int connected = 0, changed = 0, children = 0, deleted = 0;

static void watcher(zhandle_t *handle, int type, int state, const char *path, void *context) {
  if (type == ZOO_SESSION_EVENT && state == ZOO_CONNECTED_STATE) connected = 1;
  if (type == ZOO_CHANGED_EVENT) changed++;
  if (type == ZOO_CHILD_EVENT) children++;
  if (type == ZOO_DELETED_EVENT) deleted++;
}

static int soon(volatile int *flag) {
  for (int tries = 0; tries < 1500 && !*flag; tries++) usleep(10000);
  return *flag;
}

int main(int count, char **arguments) {
  CHECK(count == 2);
  zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
  zhandle_t *one = zookeeper_init(arguments[1], watcher, 6000, NULL, NULL, 0);
  CHECK(one != NULL && soon(&connected));
  connected = 0;
  zhandle_t *two = zookeeper_init(arguments[1], watcher, 6000, NULL, NULL, 0);
  CHECK(two != NULL && soon(&connected));

  char path[256], data[256];
  struct Stat stat;
  int size = sizeof data;
  CHECK(zoo_create(one, "/c", "first", 5, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZOK);
  CHECK(zoo_create(one, "/c", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) == ZNODEEXISTS);
  CHECK(zoo_get(one, "/c", 1, data, &size, &stat) == ZOK);
  CHECK(size == 5 && memcmp(data, "first", 5) == 0 && stat.version == 0);
  CHECK(zoo_set2(two, "/c", "second", 6, 0, &stat) == ZOK && stat.version == 1);
  CHECK(soon(&changed));
  CHECK(zoo_set(two, "/c", "x", 1, 0) == ZBADVERSION);

  struct String_vector names;
  CHECK(zoo_get_children(one, "/c", 1, &names) == ZOK && names.count == 0);
  deallocate_String_vector(&names);
  CHECK(zoo_create2(two, "/c/s-", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL | ZOO_SEQUENCE, path,
                    sizeof path, &stat) == ZOK);
  CHECK(strcmp(path, "/c/s-0000000000") == 0);
  CHECK(stat.ephemeralOwner == zoo_client_id(two)->client_id);
  CHECK(soon(&children));
  CHECK(zoo_create(one, "/c/s-0000000000/x", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path) ==
        ZNOCHILDRENFOREPHEMERALS);

  zoo_op_t operations[3];
  zoo_op_result_t results[3];
  zoo_create_op_init(&operations[0], "/c/m", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
  zoo_set_op_init(&operations[1], "/c", "third", 5, 1, &stat);
  zoo_check_op_init(&operations[2], "/c", 2);
  CHECK(zoo_multi(one, 3, operations, results) == ZOK && stat.version == 2);
  zoo_create_op_init(&operations[0], "/c/n", "x", 1, &ZOO_OPEN_ACL_UNSAFE, 0, path, sizeof path);
  zoo_delete_op_init(&operations[1], "/c/none", -1);
  CHECK(zoo_multi(one, 2, operations, results) == ZNONODE);
  CHECK(results[0].err == ZOK && results[1].err == ZNONODE);
  CHECK(zoo_exists(one, "/c/n", 0, &stat) == ZNONODE);

  struct ACL_vector acl;
  CHECK(zoo_get_acl(one, "/c", &acl, &stat) == ZOK && acl.count == 1 && acl.data[0].perms == 31);
  deallocate_ACL_vector(&acl);
  CHECK(zoo_exists(one, "/c/s-0000000000", 1, &stat) == ZOK);
  CHECK(zookeeper_close(two) == ZOK);
  CHECK(soon(&deleted));
  CHECK(zoo_delete(one, "/c/m", 0) == ZOK);
  CHECK(zoo_delete(one, "/c", -1) == ZOK);
  CHECK(zookeeper_close(one) == ZOK);
  puts("all good");
  return 0;
}
