/* TLS that is had or refused. The two client libraries spell it differently, and with both the defaults connect without it. */
#ifndef TRIBUTARY_TLS_H
#define TRIBUTARY_TLS_H

#include <mysql.h>

#if defined(LIBMARIADB) || defined(MARIADB_PACKAGE_VERSION)
/* `ca_alone`: REQUIRED with a CA, for whose sake libmariadb verifies the chain anyhow; its option would add the name. */
static inline int demand_tls(MYSQL *mysql, int verify_chain, int verify_host, int ca_alone) {
  const my_bool yes = 1, verify = verify_host || (verify_chain && !ca_alone);
  return mysql_options(mysql, MYSQL_OPT_SSL_ENFORCE, &yes) || mysql_options(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}
#else
static inline int demand_tls(MYSQL *mysql, int verify_chain, int verify_host, int ca_alone) {
  (void)ca_alone;
  const unsigned int mode = verify_host ? SSL_MODE_VERIFY_IDENTITY : verify_chain ? SSL_MODE_VERIFY_CA : SSL_MODE_REQUIRED;
  return mysql_options(mysql, MYSQL_OPT_SSL_MODE, &mode);
}
#endif

#endif
