/* The floor: fetches every row of a query over one connection and throws it away. No reader can be faster than the server sends.
 *
 * floor HOST PORT USER DATABASE QUERY [BYTES], the password in MYSQL_PWD. With BYTES it asks as our reader does: by a prepared statement of
 * that length, blanks at its end. Says that it is ready, waits for a line, then answers with one line of JSON: seconds and processor seconds
 * from connecting to the last row, rows, bytes of text (of a plain statement).
 */
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static double wall(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static double processor(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Not ru_maxrss: that begins with the size of the process that started this one. */
static double peak_mib(void) {
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    if (status) fclose(status);
    return kib / 1024.0;
}

static int fail(MYSQL *server) {
    fprintf(stderr, "floor: %s\n", mysql_error(server));
    return 1;
}

static unsigned long long rows = 0, bytes = 0;

static int fetch(MYSQL *server, const char *query) {
    if (mysql_query(server, query)) return 1;
    MYSQL_RES *result = mysql_use_result(server);
    if (!result) return 1;
    unsigned columns = mysql_num_fields(result);
    for (MYSQL_ROW row; (row = mysql_fetch_row(result)); rows++) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        for (unsigned at = 0; at < columns; at++) bytes += lengths[at];
    }
    if (mysql_errno(server)) return 1;
    mysql_free_result(result);
    return 0;
}

static int fetch_prepared(MYSQL *server, const char *query, size_t length) {
    size_t said = strlen(query);
    char *padded = malloc(said + length);
    memcpy(padded, query, said);
    memset(padded + said, ' ', length);
    MYSQL_STMT *statement = mysql_stmt_init(server);
    if (mysql_stmt_prepare(statement, padded, length > said ? length : said) || mysql_stmt_execute(statement)) return 1;
    int status;
    while ((status = mysql_stmt_fetch(statement)) == 0) rows++;
    if (status != MYSQL_NO_DATA) return 1;
    mysql_stmt_close(statement);
    free(padded);
    return 0;
}

int main(int count, char **words) {
    if (count != 6 && count != 7) {
        fprintf(stderr, "usage: floor HOST PORT USER DATABASE QUERY [BYTES]\n");
        return 2;
    }
    printf("{\"ready\": true}\n");
    fflush(stdout);
    if (getchar() == EOF) return 1;

    double began = wall(), used = processor();
    MYSQL *server = mysql_init(NULL);
    if (!mysql_real_connect(server, words[1], words[3], getenv("MYSQL_PWD"), words[4], atoi(words[2]), NULL, 0)) return fail(server);
    mysql_set_character_set(server, "utf8mb4");
    if (count == 7 ? fetch_prepared(server, words[5], atol(words[6])) : fetch(server, words[5])) return fail(server);
    mysql_close(server);
    printf("{\"seconds\": %.6f, \"cpu\": %.6f, \"rows\": %llu, \"bytes\": %llu, \"peak_mib\": %.1f, \"idle_mib\": 0}\n", wall() - began,
           processor() - used, rows, bytes, peak_mib());
    return 0;
}
