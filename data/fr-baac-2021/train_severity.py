"""Trains the model beside this file: was somebody killed or taken to hospital?

    python train_severity.py        # xgboost 3.2, pandas; writes severity.json

Plain settings, no search: the point is a model made by somebody else's program.
"""
import pathlib

import pandas
import xgboost

here = pathlib.Path(__file__).parent
rows = pandas.read_csv(here / "X_train.csv.gz").drop(columns="year_acc")  # the same everywhere
severe = pandas.read_csv(here / "y_train.csv")["grav"]
model = xgboost.XGBClassifier(n_estimators=100, max_depth=4, learning_rate=0.15, subsample=0.8,
                              tree_method="hist", random_state=2021, n_jobs=2)
model.fit(rows, severe)
model.get_booster().save_model(here / "severity.json")
