/* `train kmeans --update MODEL`: a model that learns from more rows. */
#ifndef SPOT_APP_UPDATE_H
#define SPOT_APP_UPDATE_H

#include "app/session.h"

int update_kmeans(struct session *session, struct spot_error *err);

#endif
