"""The grievance register: citizens report with a photograph, a detector looks, staff confirm.

Read in this order: `settings`, `contracts` (what goes in and out), `database` and `register` (what is kept),
`photos` (what becomes of a photograph), `looking` (how the detector is asked), `public_api` and `staff_api`
(who may do what), `app` (how it hangs together), `dataset` (what staff confirmed becomes training data).
"""
