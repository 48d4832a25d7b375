"""The parameters of disease and care: which lines exist, and what values are possible at all.

Values, units, ranges and sources stand in ``conf/biology`` and ``conf/clinic``; each line's meaning is its ``about``.
The names of lines are unique over all groups: the kernel knows a parameter by its last name alone.
"""

from __future__ import annotations

from sim.lines import Count, Group, NonNegative, Positive, Probability, Real, Switch


class Leukaemia(Group):
    """Clones on straight lines: kill, growth, thresholds."""

    growth: Positive
    growth_spread: NonNegative
    kill: Positive
    kill_spread: NonNegative
    weak_share: Probability
    weak_growth: NonNegative
    depth: Positive
    depth_expansion: NonNegative
    depth_spread: NonNegative
    response_ceiling: Real
    extinction: Real
    response: Real
    response_blasts: Real
    response_nonresponder: Real
    response_after_early_hct: Real
    response_tp53: Real
    response_hs: Real
    response_extramedullary: Real
    response_down: Real


class Persistence(Group):
    """Latent expansion and B-cell aplasia."""

    expansion_burden: Real
    expansion_fludarabine: NonNegative
    fludarabine_threshold: Positive
    fludarabine_scale: Positive
    expansion_dose: Real
    reference_dose: Positive
    expansion_early: NonNegative
    expansion_inotuzumab: Real
    expansion_out_of_spec: Real
    expansion_shift: Real
    aplasia: Real
    aplasia_expansion: NonNegative
    aplasia_spread: NonNegative
    short_aplasia_expansion: NonNegative
    persisting_share: Probability
    aplasia_from: NonNegative


class Escape(Group):
    """The CD19-negative clone, lineage switch, sanctuaries."""

    negative_share: Real
    negative_spread: NonNegative
    negative_nonresponse: Real
    negative_ceiling: Real
    negative_fitness: Positive
    one_cell: Real
    lineage_switch: Probability
    lineage_switch_others: Probability
    switch_level: Real
    switch_spread: NonNegative
    cns_relapse: Probability
    isolated_cns_relapse: Probability
    extramedullary_relapse: Probability
    sanctuary_time: Positive
    sanctuary_spread: NonNegative


class Mortality(Group):
    """Background and late mortality: ratios to the life table."""

    smr_untreated: NonNegative
    smr_no_hct: NonNegative
    smr_from: NonNegative
    smr_hct_first: NonNegative
    smr_until_first: Positive
    smr_hct_second: NonNegative
    smr_until_second: Positive
    smr_hct_third: NonNegative
    smr_until_third: Positive
    smr_hct_last: NonNegative


class Manufacturing(Group):
    """From referral to infusion."""

    waiting: Switch
    never_referred: Probability
    referral_distance: Positive
    referral_poverty: Positive
    referral_uninsured: Positive
    wait_access: Positive
    shortest_wait: NonNegative
    apheresis_share: Probability
    manufacture_failure: Probability
    reapheresis: Probability
    remanufacture_days: Positive
    out_of_spec_share: Probability
    waiting_loss: NonNegative
    waiting_loss_burden: Real
    waiting_death_share: Probability
    bridging_share: Probability
    bridging_kill: NonNegative
    bridging_growth: NonNegative
    relapse_to_referral: NonNegative
    early_months: Positive
    unbridged_growth: NonNegative
    apheresis_days: Positive
    most_aphereses: Count


class Lymphodepletion(Group):
    """Lymphodepletion."""

    lymphodepletion_days: Positive
    auc_target: Positive
    auc_target_spread: NonNegative


class Toxicity(Group):
    """CRS, ICANS, IEC-HS."""

    acute: Switch
    crs_grade1: Real
    crs_grade2: Real
    crs_grade3: Real
    crs_grade4: Real
    crs_burden: Real
    crs_expansion: Real
    crs_comorbidity: Real
    crs_onset: Positive
    crs_onset_spread: NonNegative
    crs_onset_latest: Positive
    crs_duration: Positive
    crs_duration_spread: NonNegative
    crs_severe_duration: Positive
    crs_peak_share: Probability
    tocilizumab_mild: Probability
    tocilizumab_severe: Probability
    steroid_mild: Probability
    steroid_severe: Probability
    icu_mild: Probability
    icu_severe: Probability
    icu_stay: Positive
    icu_stay_spread: NonNegative
    crs_death: Probability
    early_tocilizumab_ratio: Probability
    icans_grade1: Real
    icans_grade2: Real
    icans_grade3: Real
    icans_grade4: Real
    icans_crs: Real
    icans_expansion: Real
    icans_dose: Real
    icans_onset: Positive
    icans_onset_spread: NonNegative
    icans_duration: Positive
    icans_duration_spread: NonNegative
    icu_icans: Probability
    icans_death: Probability
    levetiracetam_ratio: Probability
    neurocognitive: Probability
    hs: Real
    hs_severe_crs: Real
    hs_burden: Real
    hs_duration: Positive
    hs_duration_spread: NonNegative
    hs_step2: Probability
    hs_step3: Probability
    hs_death: Probability
    tocilizumab_doses: Count


class Immunity(Group):
    """Neutropenia, immunoglobulins, infections."""

    neutropenia: Positive
    neutropenia_spread: NonNegative
    neutropenia_burden: Real
    persistent_neutropenia: Real
    persistent_neutropenia_burden: Real
    persistent_neutropenia_crs: Real
    neutropenia_long: Positive
    neutropenia_long_spread: NonNegative
    boost_day: Positive
    boost_success: Probability
    boost_recovery: Positive
    low_igg: Probability
    igg_replaced: Probability
    igg_start: Positive
    infection_early: NonNegative
    infection_middle: NonNegative
    infection_late: NonNegative
    infection_recovered: NonNegative
    infection_early_until: Positive
    infection_middle_until: Positive
    infection_prior_hct: Positive
    infection_low_igg: Positive
    infection_crs: Positive
    infection_neutropenic: Positive
    infection_severe: Probability
    infection_death: Probability
    infection_stay: Positive
    infection_stay_spread: NonNegative
    infection_mild_days: Positive
    planned_stay: NonNegative
    infection_late_until: Positive
    persistent_from: Positive


class Monitoring(Group):
    """Assays and visits."""

    response_day: Positive
    sampling_error: NonNegative
    haemodilution: Probability
    haemodilution_loss: NonNegative
    flow_limit: Real
    qpcr_limit: Real
    ngs_limit: Real
    ngs_uninformative: Probability
    missed_visits: Probability
    hematogone_delay: NonNegative
    recovery_pct1: NonNegative
    recovery_pct3: NonNegative
    recovery_abs10: NonNegative
    recovery_abs50: NonNegative
    month3_from: Positive
    month3_until: Positive


class Transplant(Group):
    """Allogeneic transplant."""

    hct_acceptance: Probability
    workup: Positive
    workup_spread: NonNegative
    shortest_workup: NonNegative
    donor_search: NonNegative
    postponement: Positive
    postponements: Count
    kill_tbi: NonNegative
    kill_chemotherapy: NonNegative
    kill_reduced: NonNegative
    kill_sd: NonNegative
    graft_effect: NonNegative
    graft_spread: NonNegative
    second_hct_effect: NonNegative
    sanctuary_tbi: Probability
    sanctuary_chemotherapy: Probability
    cytoreduction: NonNegative
    tbi_age: Positive
    tbi_share: Probability
    trm: Probability
    trm_second: Probability
    trm_age: Positive
    trm_older: Positive
    trm_younger: Positive
    trm_tbi: Positive
    trm_chemotherapy: Positive
    trm_haploidentical: Positive
    trm_sos: Positive
    trm_from: NonNegative
    trm_to: Positive
    sos: Probability
    sos_inotuzumab: Probability
    acute_gvhd_any: Probability
    acute_gvhd_severe: Probability
    acute_gvhd_onset: Positive
    acute_gvhd_duration: Positive
    chronic_gvhd: Probability
    chronic_gvhd_young: Probability
    chronic_gvhd_onset: Positive
    chronic_gvhd_duration: Positive
    gvhd_duration_spread: NonNegative
    gvhd_unrelated: Positive
    gvhd_haploidentical: Positive
    hct_stay: Positive
    mixed_chimerism: Probability
    mixed_chimerism_effect: NonNegative
    chimerism_day: Positive
    most_hcts: Count
    hct_interval: NonNegative
    chronic_gvhd_age: Positive


class Reinfusion(Group):
    """Reinfusion, maintenance and other treatment in remission."""

    product_left: Probability
    reinfusion_wait: NonNegative
    reinfusion_retry: Positive
    reinfusion_hematogones: Probability
    reinfusion_recovery: Probability
    reinfusion_mrd: Probability
    lymphodepletion_odds: Positive
    reinfusion_aplasia: Positive
    reinfusion_aplasia_expansion: NonNegative
    reinfusion_aplasia_spread: NonNegative
    reinfusion_crs: Probability
    maintenance_kill: NonNegative
    maintenance_spread: NonNegative
    maintenance_duration: Positive
    tki_kill: NonNegative
    tki_duration: Positive
    sequential_kill: NonNegative
    sequential_wait: NonNegative
    fitness_restored: Probability
    reinfusion_again: Probability


class Salvage(Group):
    """Relapse and after."""

    explicit: Switch
    positive_blinatumomab: Probability
    positive_inotuzumab: Probability
    positive_cd22: Probability
    positive_second_car: Probability
    negative_inotuzumab: Probability
    negative_cd22: Probability
    salvage_course: Positive
    salvage_lines: Count
    salvage_next_line: Probability
    response_blinatumomab: Probability
    response_inotuzumab: Probability
    response_cd22: Probability
    response_second_car: Probability
    response_chemotherapy: Probability
    response_late: Real
    response_late_centre: NonNegative
    response_early: NonNegative
    response_line: NonNegative
    response_burden: NonNegative
    response_switch: NonNegative
    response_refractory: NonNegative
    response_after_hct: NonNegative
    residual: Real
    residual_spread: NonNegative
    residual_hold: NonNegative
    residual_hold_days: Positive
    salvage_transplant: Probability
    salvage_workup: Positive
    palliative_median: Positive
    salvage_cure: Real
    salvage_late: Real
    salvage_early: Real
    salvage_burden: NonNegative
    salvage_switch: NonNegative
    salvage_after_hct: NonNegative
    salvage_nonresponse: Real
    survival_median: Positive
    survival_nonresponse: Positive
    survival_switch: Positive
    early_death_high: NonNegative
    early_death_low: NonNegative
    early_death_until: Positive
    remission_death: NonNegative
    salvage_death: Probability
    late_limit: Positive


class Queueing(Group):
    """What happens to those who wait for a place; nothing of it matters where there is room for everybody."""

    icu_patience: NonNegative
    ward_patience: NonNegative
    course_patience: NonNegative
    diversion_death: Probability
    shelf_life: Positive
    late_bridging: Positive
    bridging_cycle: Positive
    bed_chemotherapy: Positive
    bed_antibody: Positive
    bed_car: Positive
    bed_reinfusion: Positive


class Late(Group):
    """Late effects."""

    late_effect: NonNegative
    late_effect_hct: NonNegative
    second_cancer: NonNegative
    second_cancer_hct: NonNegative


class Supportive(Group):
    """Supportive-care switches; a policy may set each for itself."""

    early_tocilizumab: Switch
    early_tocilizumab_burden: NonNegative
    early_tocilizumab_onset: NonNegative
    auc_targeted: Switch
    minimum_dose: NonNegative
    levetiracetam: Switch
    donor_derived_car: Switch
    boost: Switch
    upfront_search: Switch
    reinfusion_lymphodepletion: Switch


class Biology(Group):
    """Disease: what would be so without any clinic."""

    leukaemia: Leukaemia
    persistence: Persistence
    escape: Escape
    mortality: Mortality


class Clinic(Group):
    """Care, from referral on."""

    manufacturing: Manufacturing
    lymphodepletion: Lymphodepletion
    toxicity: Toxicity
    immunity: Immunity
    monitoring: Monitoring
    transplant: Transplant
    reinfusion: Reinfusion
    salvage: Salvage
    late: Late
    supportive: Supportive
    queueing: Queueing


class Product(Group):
    """A CAR T product, relative to tisagenlecleucel."""

    cd28: Switch
    expansion: Real
    aplasia: NonNegative
    negative_kill: NonNegative
    wait: Positive
    failure: NonNegative
    crs: Real
    icans: Real
