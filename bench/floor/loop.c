/* The reduced pathway by hand: the floor under the general engine. Days.
 *
 * Same draws, same order of arithmetic as bench/floor/reduced.py, so the same bits; nothing of the engine: a patient is
 * a handful of local variables, and only the outcomes leave the loop.
 *
 * Draws: Philox2x32-10, Salmon et al. 2011, doi:10.1145/2063384.2063405. Normal quantile: AS 241, Wichura 1988.
 */
#include <math.h>
#include <stdint.h>

enum { DEATH, RELAPSE, INFECTION, INFUSION, RESPONSE, APLASIA_END, VISIT, HCT, TRANSPLANT_DEATH, LEUKAEMIA_DEATH };
enum { CAUSES = 3, EVENTS = 10 };
enum { WAIT = 16, APLASIA, REMISSION, MISSED, ACCEPTANCE, MORTALITY, MORTALITY_TIME, SURVIVAL, FATALITY };

/* In the order of bench.floor.reduced.Numbers. */
typedef struct {
    double wait_median, wait_spread, loss_waiting, background, response, response_burden, aplasia_median,
        aplasia_spread, relapse_aplasia, relapse_lost, relapse_hct, infection_aplasia, infection_recovered, fatality,
        missed, window, acceptance, workup, mortality, mortality_days, late_ratio, survival;
} Numbers;

/* In the order of bench.floor.by_hand.OUTCOMES. */
typedef struct {
    double t, t_infusion, t_loss, t_hct, t_relapse, t_death;
    int64_t remission, decided, visits, infections, cause;
} Outcome;

typedef struct {
    double budget, rate, since;
} Hazard;

static inline double uniform(uint32_t seed, uint32_t patient, uint32_t decision, uint32_t nth) {
    uint32_t left = patient, right = (decision << 22) + nth, key = seed;
    for (int i = 0; i < 10; i++) {
        uint64_t product = (uint64_t)left * 0xD256D193u;
        left = (uint32_t)(product >> 32) ^ key ^ right;
        right = (uint32_t)product;
        key += 0x9E3779B9u;
    }
    return ((double)((uint64_t)(left >> 6) * 67108864u + (right >> 6)) + 0.5) * 2.220446049250313e-16;
}

static inline double exponential(uint32_t seed, uint32_t patient, uint32_t decision, uint32_t nth) {
    return -log(uniform(seed, patient, decision, nth));
}

static double ratio(const double *a, const double *b, double r) {
    double above = a[7], below = b[7];
    for (int i = 6; i >= 0; i--) {
        above = above * r + a[i];
        below = below * r + b[i];
    }
    return above / below;
}

static double quantile(double probability) {
    static const double centre[2][8] = {
        {3.387132872796366608, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
         45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727},
        {1.0, 42.313330701600911252, 687.1870074920579083, 5394.1960214247511077, 21213.794301586595867,
         39307.89580009271061, 28729.085735721942674, 5226.495278852545925}};
    static const double middle[2][8] = {
        {1.42343711074968357734, 4.6303378461565452959, 5.7694972214606914055, 3.64784832476320460504,
         1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 7.7454501427834140764e-4},
        {1.0, 2.05319162663775882187, 1.6763848301838038494, 0.68976733498510000455, 0.14810397642748007459,
         0.0151986665636164571966, 5.475938084995344946e-4, 1.05075007164441684324e-9}};
    static const double tail[2][8] = {
        {6.6579046435011037772, 5.4637849111641143699, 1.7848265399172913358, 0.29656057182850489123,
         0.026532189526576123093, 0.0012426609473880784386, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
        {1.0, 0.59983220655588793769, 0.13692988092273580531, 0.0148753612908506148525, 7.868691311456132591e-4,
         1.8463183175100546818e-5, 1.4215117583164458887e-7, 2.04426310338993978564e-15}};
    double q = probability - 0.5, r, value;
    if (fabs(q) <= 0.425) {
        r = 0.180625 - q * q;
        double above = centre[0][7], below = centre[1][7];
        for (int i = 6; i >= 0; i--) {
            above = above * r + centre[0][i];
            below = below * r + centre[1][i];
        }
        return q * above / below;
    }
    r = sqrt(-log(q < 0.0 ? probability : 1.0 - probability));
    value = r <= 5.0 ? ratio(middle[0], middle[1], r - 1.6) : ratio(tail[0], tail[1], r - 5.0);
    return q < 0.0 ? -value : value;
}

static inline double normal(uint32_t seed, uint32_t patient, uint32_t decision, uint32_t nth) {
    return quantile(uniform(seed, patient, decision, nth));
}

static inline double set_rate(Hazard *h, double t, double next, double rate) {
    if (rate == h->rate) return next;
    h->budget -= h->rate * (t - h->since);
    h->since = t;
    h->rate = rate;
    if (rate > 0.0) return t + (h->budget > 0.0 ? h->budget / rate : 0.0);
    return INFINITY;
}

static Outcome live(uint32_t seed, uint32_t number, double burden, const Numbers *q, double horizon) {
    Outcome o = {0.0, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, 0, 0, 0, 0, -1};
    Hazard hazard[CAUSES];
    double next[EVENTS];
    double t = 0.0;
    uint32_t occurrence = 0; /* of infections: the only hazard that is renewed */
    for (int k = 0; k < EVENTS; k++) next[k] = INFINITY;
    for (int k = 0; k < CAUSES; k++) hazard[k] = (Hazard){exponential(seed, number, k, 0), 0.0, 0.0};
    next[INFUSION] = q->wait_median * exp(q->wait_spread * normal(seed, number, WAIT, 0));
    next[DEATH] = set_rate(&hazard[DEATH], t, next[DEATH], q->background + q->loss_waiting);
    for (;;) {
        int event = 0;
        double when = next[0];
        for (int k = 1; k < EVENTS; k++)
            if (next[k] < when) {
                when = next[k];
                event = k;
            }
        if (when > horizon || when == INFINITY) {
            o.t = horizon;
            return o;
        }
        t = when;
        next[event] = INFINITY;
        switch (event) {
        case VISIT:
            o.visits++;
            if (t - o.t_infusion < 360.0)
                next[VISIT] = t + 30.0;
            else if (t - o.t_infusion < 1800.0)
                next[VISIT] = t + 90.0;
            if (!o.decided && o.t_loss < INFINITY && uniform(seed, number, MISSED, o.visits) >= q->missed) {
                o.decided = 1;
                if (o.t_loss - o.t_infusion <= q->window && uniform(seed, number, ACCEPTANCE, 0) < q->acceptance)
                    next[HCT] = t + q->workup;
            }
            break;
        case INFECTION:
            o.infections++;
            hazard[INFECTION].budget = exponential(seed, number, INFECTION, ++occurrence);
            hazard[INFECTION].since = t;
            next[INFECTION] = t + hazard[INFECTION].budget / hazard[INFECTION].rate;
            if (uniform(seed, number, FATALITY, o.infections) < q->fatality) goto dead;
            break;
        case INFUSION:
            o.t_infusion = t;
            next[DEATH] = set_rate(&hazard[DEATH], t, next[DEATH], q->background);
            next[INFECTION] = set_rate(&hazard[INFECTION], t, next[INFECTION], q->infection_aplasia);
            next[APLASIA_END] = t + q->aplasia_median * exp(q->aplasia_spread * normal(seed, number, APLASIA, 0));
            next[RESPONSE] = t + 28.0;
            break;
        case RESPONSE:
            if (uniform(seed, number, REMISSION, 0) < 1.0 / (1.0 + exp(q->response_burden * burden - q->response))) {
                o.remission = 1;
                next[RELAPSE] = set_rate(&hazard[RELAPSE], t, next[RELAPSE],
                                         o.t_loss == INFINITY ? q->relapse_aplasia : q->relapse_lost);
                next[VISIT] = t + 30.0;
                break;
            }
            goto overt;
        case APLASIA_END:
            o.t_loss = t;
            next[INFECTION] = set_rate(&hazard[INFECTION], t, next[INFECTION], q->infection_recovered);
            if (o.remission) next[RELAPSE] = set_rate(&hazard[RELAPSE], t, next[RELAPSE], q->relapse_lost);
            break;
        case HCT:
            o.t_hct = t;
            next[RELAPSE] = set_rate(&hazard[RELAPSE], t, next[RELAPSE], q->relapse_hct);
            next[INFECTION] = set_rate(&hazard[INFECTION], t, next[INFECTION], 0.0);
            next[DEATH] = set_rate(&hazard[DEATH], t, next[DEATH], q->late_ratio * q->background);
            if (uniform(seed, number, MORTALITY, 0) < q->mortality)
                next[TRANSPLANT_DEATH] = t + q->mortality_days * uniform(seed, number, MORTALITY_TIME, 0);
            break;
        case RELAPSE:
            o.t_relapse = t;
            next[RELAPSE] = set_rate(&hazard[RELAPSE], t, next[RELAPSE], 0.0);
        overt:
            o.remission = 0;
            next[VISIT] = next[HCT] = INFINITY;
            next[LEUKAEMIA_DEATH] = t + q->survival * exponential(seed, number, SURVIVAL, 0);
            break;
        default:
        dead:
            o.cause = event;
            o.t = o.t_death = t;
            return o;
        }
    }
}

void live_all(int64_t n, const double *burden, const Numbers *q, int64_t seed, int64_t first, double horizon,
              Outcome *outcomes) {
    for (int64_t i = 0; i < n; i++) outcomes[i] = live((uint32_t)seed, (uint32_t)(first + i), burden[i], q, horizon);
}
