//! Who made a report: the CI system and the commit, as its environment tells.

/// Longer values are no names.
const LONGEST: usize = 300;

/// Where a run took place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The CI system with project and branch; `None` outside CI.
    pub(super) place: Option<String>,
    /// The commit.
    pub(super) commit: Option<String>,
    /// The address of the job; not in a report that shall be the same each time.
    pub(super) job: Option<String>,
}

impl Origin {
    /// Of the variables of this process.
    pub(super) fn of_environment(fixed: bool) -> Self {
        Self::of(|name| std::env::var(name).ok(), fixed)
    }

    /// Of variables; without what differs between two runs of one commit where the date is `fixed`.
    fn of(variable: impl Fn(&str) -> Option<String>, fixed: bool) -> Self {
        let get = |name: &str| {
            let value = variable(name)?;
            let value = value.trim().to_owned();
            (!value.is_empty() && value.len() <= LONGEST).then_some(value)
        };
        let place = |system: &str, project: &str, branch: &str| {
            let branch = get(branch).map(|branch| format!("branch {branch}"));
            Some([Some(system.to_owned()), get(project), branch].into_iter().flatten().collect::<Vec<_>>().join(", "))
        };
        let mut origin = if get("GITHUB_ACTIONS").is_some() {
            let job = (|| {
                let (server, project) = (get("GITHUB_SERVER_URL")?, get("GITHUB_REPOSITORY")?);
                Some(format!("{server}/{project}/actions/runs/{}", get("GITHUB_RUN_ID")?))
            })();
            let place = place("GitHub Actions", "GITHUB_REPOSITORY", "GITHUB_REF_NAME");
            Self { place, commit: get("GITHUB_SHA"), job }
        } else if get("GITLAB_CI").is_some() {
            let place = place("GitLab CI", "CI_PROJECT_PATH", "CI_COMMIT_REF_NAME");
            Self { place, commit: get("CI_COMMIT_SHA"), job: get("CI_JOB_URL") }
        } else if get("JENKINS_URL").is_some() {
            let place = place("Jenkins", "JOB_NAME", "BRANCH_NAME");
            Self { place, commit: get("GIT_COMMIT"), job: get("BUILD_URL") }
        } else {
            Self::default()
        };
        if fixed {
            origin.job = None;
        }
        origin
    }

    /// Who made the report.
    pub(super) fn maker(&self) -> String {
        let own = concat!("CleanAI ", env!("CARGO_PKG_VERSION"));
        self.place.as_ref().map_or_else(|| own.to_owned(), |place| format!("{own} in {place}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], fixed: bool) -> Origin {
        let find = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Origin::of(find, fixed)
    }

    #[test]
    fn each_system_names_project_commit_and_job() {
        let github = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "ours/digits"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_SHA", "0123abcd"),
            ("GITHUB_SERVER_URL", "https://git.example"),
            ("GITHUB_RUN_ID", "77"),
        ];
        let origin = of(&github, false);
        assert!(origin.maker().ends_with(" in GitHub Actions, ours/digits, branch main"));
        assert_eq!(origin.commit.as_deref(), Some("0123abcd"));
        assert_eq!(origin.job.as_deref(), Some("https://git.example/ours/digits/actions/runs/77"));
        assert_eq!(of(&github, true), Origin { job: None, ..origin });
        let gitlab = of(&[("GITLAB_CI", "true"), ("CI_COMMIT_SHA", "ff"), ("CI_JOB_URL", "https://j")], false);
        assert_eq!((gitlab.place.as_deref(), gitlab.job.as_deref()), (Some("GitLab CI"), Some("https://j")));
        let jenkins = of(&[("JENKINS_URL", "https://ci"), ("JOB_NAME", "gate"), ("GIT_COMMIT", "ee")], false);
        assert_eq!((jenkins.place.as_deref(), jenkins.commit.as_deref()), (Some("Jenkins, gate"), Some("ee")));
    }

    #[test]
    fn outside_ci_nothing_is_told() {
        let long = "x".repeat(LONGEST + 1);
        for variables in [&[][..], &[("CI", "true")], &[("GITHUB_ACTIONS", " ")], &[("JENKINS_URL", &long)]] {
            assert_eq!(of(variables, false), Origin::default());
        }
        assert_eq!(Origin::default().maker(), concat!("CleanAI ", env!("CARGO_PKG_VERSION")));
    }
}
