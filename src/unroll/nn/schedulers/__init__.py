"""Learning-rate schedules by name. All but `plateau` are a factor of the optimizer's rate at each step."""
